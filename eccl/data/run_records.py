"""Names and records of finished runs, and the stored gate result that a record contains.

::

    align-I21                  stage and task: a stage of dvc.yaml
    align-I21.triplet.s43      and variant and seed: a job of the experiment table
    models/<run>/run.json      record of a finished run
    reports/gate/gate.json     result of the validation gate
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PASSED, FAILED, OVERRIDDEN = "passed", "failed", "overridden"
"""Status of the gate; a run that was trained although it failed, for a stated reason, records ``overridden``."""
_OLDER_WORDS = {"green": PASSED, "red": FAILED}


def run_name(stage: str, task: str | None) -> str:
    """``pretrain_ecg``, ``align-I21``: name of one of the workspace's own runs, of its model folder and feature files."""
    return stage if task is None else f"{stage}-{task}"


def is_of_experiment(run: str) -> bool:
    """Whether a run is an arm's or a part's of the experiment table."""
    return "." in run


def task_of(run: str) -> str:
    """Task in a run's name; empty where the stage has none."""
    return run.partition(".")[0].partition("-")[2]


def training_command(run: str) -> str:
    """The command that trains a run: ``eccl train align@I21``, or ``eccl table1 --arms triplet ... --train-only``."""
    if not is_of_experiment(run):
        return f"eccl train {run.replace('-', '@', 1)}"
    variant, _, seed = run.partition(".")[2].rpartition(".s")
    task = task_of(run)
    return f"eccl table1 --arms {variant}{f' --tasks {task}' if task else ''} --seeds {seed} --train-only"


def run_records(models: Path) -> Iterator[dict[str, Any]]:
    """Yield the record of every finished run, sorted by name; temporary files of killed writers are skipped."""
    for file in sorted(models.glob("*/run.json")):
        if not file.parent.name.startswith("."):
            yield json.loads(file.read_text())


def gate_status(stored: str) -> str:
    """Return a stored status as it is written today: version 0.1 wrote ``green`` and ``red``."""
    return _OLDER_WORDS.get(stored, stored)


def read_gate_result(gate: Path) -> dict[str, Any]:
    """Read gate.json of the folder reports/gate, with today's words for its status.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        The file is missing, or is not the result of a gate.
    """
    content: dict[str, Any] = json.loads((gate / "gate.json").read_text())
    return content | {"status": gate_status(content["status"])}
