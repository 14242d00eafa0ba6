"""The recipe that wins on validation, and what it says it changes."""

from __future__ import annotations

from typing import Any

import pytest

from eccl.errors import ConfigError
from eccl.study.adopt import plan_adoption
from eccl.study.arm_runs import CANDIDATES, COLUMNS, list_cells
from eccl.study.arms import ArmTable, load_arms
from eccl.study.jobs import list_jobs
from eccl.study.recipes import best_by_column, can_be_adopted, choose_recipe, describe_changes
from eccl.workspace import shipped


@pytest.fixture(scope="module")
def table() -> ArmTable:
    return load_arms(shipped("experiments/arms.yaml"))


def rows(table: ArmTable, means: dict[str, list[float | None]], split: str = "val") -> list[dict[str, Any]]:
    """Rows of some arms, a mean per column; None is a column that lacks a seed."""
    return [
        {
            "arm": arm,
            "task": column,
            "split": split,
            "metric": "mean_r" if column == "traits" else "auc",
            "arm_group": table.arms[arm].group,
            "status": "incomplete" if mean is None else "scored",
            "mean": 0.99 if mean is None else mean,
        }
        for arm, some in means.items()
        for column, mean in zip(COLUMNS, some, strict=True)
    ]


def test_the_recipe_weighs_traits_as_much_as_all_diseases(table: ArmTable) -> None:
    found = choose_recipe(
        table,
        rows(
            table,
            {
                "eccl": [0.7, 0.7, 0.7, 0.7, 0.4],
                "mean_pooling": [0.6, 0.6, 0.6, 0.6, 0.51],
                "triplet": [0.8, 0.8, 0.7, 0.7, 0.34],
            },
        ),
    )
    assert found is not None
    assert found.arm.key == "mean_pooling"
    assert found.score == pytest.approx((0.6 + 0.51) / 2)
    assert found.reference_score == pytest.approx((0.7 + 0.4) / 2)


def test_neither_the_test_split_nor_the_cine_nor_half_an_arm_wins(table: ArmTable) -> None:
    validation = rows(
        table,
        {
            "eccl": [0.7] * 5,
            "vit": [0.6] * 5,
            "cmr_sup": [0.9] * 5,  # reads the cine
            "triplet": [0.9, 0.9, 0.9, 0.9, None],  # lacks a seed
            "few_patches": [0.95] * 5,  # a point of figure 2b
        },
    )
    test = rows(table, {"vit": [0.99] * 5}, "test")
    found = choose_recipe(table, [*validation, *test])
    assert found is not None
    assert found.arm.key == "eccl"
    best = best_by_column(table, [*validation, *test])
    assert best == {"I21": "triplet", "I42": "triplet", "I48": "triplet", "I50": "triplet", "traits": "eccl"}


def test_one_arm_alone_wins_nothing(table: ArmTable) -> None:
    only = rows(table, {"eccl": [0.7] * 5, "cmr_sup": [0.9] * 5})
    assert choose_recipe(table, only) is None
    assert best_by_column(table, only) == {}
    assert choose_recipe(table, []) is None


def test_a_column_that_nobody_can_be_scored_in_does_not_count(table: ArmTable) -> None:
    some = [row for row in rows(table, {"eccl": [0.7] * 5, "vit": [0.8] * 5}) if row["task"] != "I42"]
    found = choose_recipe(table, some)
    assert found is not None
    assert found.columns == ("I21", "I48", "I50", "traits")


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("eccl", []),
        ("mean_pooling", ["`align.pooling: mean`"]),
        ("millivolt", ["`align.augment.scaling: millivolt`", "`pretrain_ecg.augment.scaling: millivolt`"]),
        ("resnet50", ["`pretrain_cmr.encoder: alternatives.cmr.resnet50`"]),
        ("multitask", ["one network for every task (`--task all`)"]),
        ("probe", ["`align` trained as `eccl`", "stage `probe` in place of `align`"]),
        ("ssl_only", ["`align.contrastive_weight: 0.0`", "no `pretrain_cmr`"]),
    ],
)
def test_a_recipe_says_what_it_changes(table: ArmTable, arm: str, expected: list[str]) -> None:
    assert describe_changes(table, table.arms[arm]) == expected


def test_an_arm_is_called_adoptable_where_the_command_adopts_it(table: ArmTable) -> None:
    competing = [arm for arm in table.arms.values() if arm.group in CANDIDATES and arm.key != table.reference]
    for arm in competing:
        refusal = ""
        try:
            plan_adoption(shipped("params.yaml"), table, arm.key)
        except ConfigError as error:
            refusal = str(error)
        # Under the demo preset millivolt changes nothing, which is no fault of the arm.
        assert can_be_adopted(arm) is (not refusal or "changes nothing" in refusal), arm.key
    assert {arm.key for arm in competing if can_be_adopted(arm)} >= {"triplet", "resnet50", "mean_pooling", "cl_only"}


def test_every_cell_has_the_run_that_the_jobs_train(table: ArmTable) -> None:
    cells = list_cells(table, table.seeds)
    assert {cell.run for cell in cells} <= {job.run for job in list_jobs(table)}
    whole = [arm for arm in table.arms.values() if arm.group == "table"]
    assert len([cell for cell in cells if cell.arm.group == "table"]) == len(whole) * 5 * 5
