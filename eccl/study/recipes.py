"""What wins on validation: the best arm of every column, and the recipe that is best over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eccl.study.arm_runs import CANDIDATES, COLUMNS, DISEASES, TRAITS, competes
from eccl.study.arm_scores import main_metric
from eccl.study.arms import Arm, ArmTable, format_value
from eccl.study.comparison import SCORED
from eccl.training.settings import TASKS


@dataclass(frozen=True, slots=True)
class Recipe:
    """The arm that is best on validation.

    Parameters
    ----------
    arm
        The winner.
    score
        Mean of its mean R and its mean AUC over the diseases that validation can score.
    reference_score
        The same of the reference arm; None where that is incomplete.
    columns
        Columns that were counted.
    """

    arm: Arm
    score: float
    reference_score: float | None
    columns: tuple[str, ...]


def best_by_column(table: ArmTable, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Column -> arm with the highest mean on validation, over arms with all their seeds; the table's order settles ties."""
    best = {}
    for column in COLUMNS:
        scores = {key: mean for (key, task), mean in _validation(table, rows).items() if task == column}
        if len(scores) > 1:
            best[column] = max(scores, key=lambda key: scores[key])
    return best


def choose_recipe(table: ArmTable, rows: Sequence[Mapping[str, Any]]) -> Recipe | None:
    """The arm that is best over all columns together; None where fewer than two arms have all of them.

    Columns that validation cannot score for any arm (a disease without a case) do not count.
    """
    scores = _validation(table, rows)
    columns = tuple(column for column in COLUMNS if any(task == column for _, task in scores))
    overall = {
        key: _overall({column: scores[key, column] for column in columns})
        for key in table.arms
        if columns and all((key, column) in scores for column in columns)
    }
    if len(overall) < 2:
        return None
    winner = max(overall, key=lambda key: overall[key])
    return Recipe(table.arms[winner], overall[winner], overall.get(table.reference), columns)


def describe_changes(table: ArmTable, arm: Arm) -> list[str]:
    """What an arm changes against the reference, a line per key of the preset."""
    reference = table.arms[table.reference]
    lines = [f"`{arm.stage}.{key}: {format_value(value)}`" for key, value in arm.changes.items()]
    for stage, part in arm.parents.items():
        if reference.parents.get(stage) == part:
            continue
        own = table.pretraining.get(stage, {}).get(part, {})
        lines += [f"`{stage}.{key}: {format_value(value)}`" for key, value in own.items()] or [
            f"`{stage}` trained as `{part}`"
        ]
    lines += [
        f"no `{stage}`" for stage in reference.parents if stage not in arm.parents and arm.stage == reference.stage
    ]
    if arm.stage != reference.stage:
        lines.append(f"stage `{arm.stage}` in place of `{reference.stage}`")
    if arm.tasks == ("all",):
        lines.append("one network for every task (`--task all`)")
    return lines


def can_be_adopted(arm: Arm) -> bool:
    """Whether the workspace's own stages can be the arm: ``eccl adopt`` makes it a preset."""
    is_whole = arm.group in CANDIDATES and set(arm.tasks) == set(TASKS)
    return arm.stage == "align" and "pretrain_cmr" in arm.parents and is_whole


def _validation(table: ArmTable, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """Arm and column -> mean on validation of the arms that compete there."""
    return {
        (row["arm"], row["task"]): row["mean"]
        for row in rows
        if row["split"] == "val"
        and row["status"] == SCORED
        and row["metric"] == main_metric(row["task"])
        and competes(table.arms[row["arm"]])
    }


def _overall(scores: Mapping[str, float]) -> float:
    diseases = [scores[column] for column in DISEASES if column in scores]
    halves = [sum(diseases) / len(diseases)] if diseases else []
    halves += [scores[TRAITS]] if TRAITS in scores else []
    return sum(halves) / len(halves)
