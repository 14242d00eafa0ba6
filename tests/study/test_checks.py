"""Arms under the chosen preset: what cannot be trained is reported before the first job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from eccl.errors import ConfigError
from eccl.study.arms import ArmTable, load_arms
from eccl.study.checks import check_jobs, find_equal_arms
from eccl.study.jobs import list_jobs
from eccl.workspace import shipped
from tests.support.tiny_workspace import tiny_params

TEXT = (shipped("experiments") / "arms.yaml").read_text()


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tiny_params(**changes)))
    return path


def table(folder: Path, *replacements: tuple[str, str]) -> ArmTable:
    text = TEXT
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "arms.yaml"
    path.write_text(text)
    return load_arms(path)


def problems(params: Path, known: ArmTable, **chosen: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        check_jobs(params, known, list_jobs(known, **chosen))
    head, *lines = str(error.value).split("\n  ")
    assert f"have {len(lines)} problems together" in head
    return lines


@pytest.mark.parametrize("preset", ["demo", "cpu", "small", "paper"])
def test_the_shipped_table_goes_with_every_shipped_preset(tmp_path: Path, preset: str) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(shipped("params.yaml").read_text().replace("preset: demo", f"preset: {preset}", 1))
    arms = table(tmp_path)
    assert check_jobs(params, arms, list_jobs(arms)) == preset


def test_all_problems_are_listed_each_with_its_variant(tmp_path: Path) -> None:
    arms = table(
        tmp_path,
        ("{alignment.loss: triplet}", "{alignment.los: triplet}"),
        ("mae_millivolt: {augment.scaling: millivolt}", "mae_millivolt: {augment.scaling: volt}"),
        ("{use: alternatives.cmr.vit}", "{use: alternatives.cmr.vitt}"),
        ("{pooling: mean}", "{pooling: median}"),
    )
    found = problems(written(tmp_path), arms)
    assert [line.partition(":")[0] for line in found] == [
        "pretraining.pretrain_cmr.vit",
        "pretraining.pretrain_cmr.vit",
        "arms.triplet",
        "pretraining.pretrain_ecg.mae_millivolt",
        "arms.mean_pooling",
    ]
    assert "align.alignment.los: there is no such key" in found[2]


def test_arms_that_are_not_chosen_are_not_checked(tmp_path: Path) -> None:
    arms = table(tmp_path, ("{alignment.loss: triplet}", "{alignment.los: triplet}"))
    assert check_jobs(written(tmp_path), arms, list_jobs(arms, arms=["eccl", "probe"])) == "tiny"


def test_problems_of_the_preset_are_listed_once(tmp_path: Path) -> None:
    arms = table(tmp_path)
    found = problems(written(tmp_path, **{"align.dropout": 2.0}), arms)
    assert found == ["presets.tiny.align.dropout: input should be less than 1, found 2.0"]


def test_a_label_aware_contrast_of_tasks_without_one_label_is_a_problem(tmp_path: Path) -> None:
    arms = table(tmp_path, ("tasks: [I21, I42, I48, I50]", "tasks: [I21, traits, all]"))
    found = problems(written(tmp_path), arms)
    assert [line.partition(";")[0].rpartition(" ")[2] for line in found] == ["traits", "all"]
    assert all(line.startswith("arms.label_aware: align.alignment.loss label_aware needs") for line in found)
    assert check_jobs(written(tmp_path), arms, list_jobs(arms, tasks=["I21"])) == "tiny"


def test_the_preset_decides_which_parents_an_arm_needs(tmp_path: Path) -> None:
    arms = table(tmp_path)
    found = problems(written(tmp_path, **{"align.init_from": "nothing"}), arms, arms=["eccl", "cl_only", "cmae"])
    assert found == ["arms.eccl.parents.pretrain_ecg: init_from nothing does not use it; leave it out"]
    found = problems(written(tmp_path, **{"align.contrastive_weight": 0.0}), arms, arms=["triplet", "neither"])
    assert found == ["arms.triplet.parents.pretrain_cmr: contrastive_weight 0 does not use it; leave it out"]


def test_an_arm_that_changes_nothing_under_a_preset_is_found(tmp_path: Path) -> None:
    arms = table(tmp_path)
    found = {}
    for preset in ("demo", "cpu", "small", "paper"):
        params = tmp_path / "params.yaml"
        params.write_text(shipped("params.yaml").read_text().replace("preset: demo", f"preset: {preset}", 1))
        found[preset] = find_equal_arms(params, arms)
    assert found["demo"][0] == "millivolt"  # the preset keeps amplitudes for every arm
    assert "millivolt" not in found["cpu"] + found["small"] + found["paper"]
    assert found["cpu"] == found["paper"] == []
