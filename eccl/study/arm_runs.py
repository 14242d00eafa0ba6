"""Which run fills which cell of Table 1: arm, column and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eccl.study.arms import Arm, ArmTable
from eccl.study.jobs import scored_run
from eccl.training.settings import TASKS

DISEASES = TASKS[1:]
TRAITS = TASKS[0]
COLUMNS = (*DISEASES, TRAITS)
"""Columns of the table, in the paper's order."""
CANDIDATES = ("table", "beyond")
"""Groups whose arms compete; those of figure 2b are points of a curve."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One seed of one arm in one column.

    Parameters
    ----------
    column
        What is scored: ``traits``, or a disease's code.
    task
        What the run was trained on: the column, or ``all``.
    run
        Name of the run whose predictions are scored.
    """

    arm: Arm
    column: str
    task: str
    seed: int
    run: str


def list_cells(table: ArmTable, seeds: Sequence[int]) -> list[Cell]:
    """Cells of every arm that its tasks cover, in the table's order."""
    cells = []
    for arm in table.arms.values():
        for task in arm.tasks:
            for seed in seeds:
                run = scored_run(arm, task, seed)
                cells += [Cell(arm, column, task, seed, run) for column in (COLUMNS if task == "all" else (task,))]
    return cells


def views_of(arm: Arm) -> tuple[str, str]:
    """Feature views of an arm's trait and disease predictions."""
    prefix = "cmr_" if arm.stage == "pretrain_cmr" else ""
    return f"{prefix}trait_prediction", f"{prefix}disease_prediction"


def competes(arm: Arm) -> bool:
    """Whether an arm is one of several that predict from the ECG."""
    return arm.group in CANDIDATES and reads_ecg(arm)


def reads_ecg(arm: Arm) -> bool:
    """Whether an arm predicts from the ECG; one that reads the cine is an upper reference and competes with none."""
    return arm.stage != "pretrain_cmr"
