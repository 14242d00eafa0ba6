"""Cards of finished runs as files: reports/cards/<run>.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eccl.cards.card import ArmNote, write_card
from eccl.cards.evidence import gather
from eccl.data.files import replace_file
from eccl.data.parts import data_version
from eccl.data.run_records import run_records
from eccl.errors import ConfigError, FeatureError
from eccl.evaluation.suppression import is_simulated
from eccl.inference.predict import tainted_runs
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.study.arms import load_arms
from eccl.training.runs import RECORD, load_run
from eccl.workspace import Workspace


def cards_folder(workspace: Workspace) -> Path:
    """Folder of the cards."""
    return workspace.reports / "cards"


def write_cards(
    workspace: Workspace, runs: Sequence[str], on_run: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write the cards of some runs, by default of every finished one; unchanged files are not written.

    Raises
    ------
    FeatureError
        A run is not finished, or its predictions do not cover the workspace's data.
    """
    require_no_pending_withdrawal(workspace)
    finished = [str(record["run"]) for record in run_records(workspace.models)]
    unknown = [run for run in runs if run not in finished]
    if unknown or not finished:
        raise FeatureError(
            f"not finished: {', '.join(unknown) or 'any run'}; finished are {', '.join(finished[:8]) or 'none'}; train with `eccl train`"
        )
    chosen = list(runs) or finished
    written = []
    for number, run in enumerate(chosen, 1):
        path = cards_folder(workspace) / f"{run}.md"
        replace_file(path, _card(workspace, run).encode())
        written.append(path)
        if on_run is not None:
            on_run(number, len(chosen))
    return written


def _card(workspace: Workspace, name: str) -> str:
    run = load_run(workspace, name)
    return write_card(
        run.record,
        gather(workspace, run),
        read_arm(run.record, workspace.arms_file),
        _scaling(workspace, run.record),
        data_version(workspace.data),
        is_simulated(workspace),
        tainted_runs(workspace).get(run.run_id),
    )


def _scaling(workspace: Workspace, record: Mapping[str, Any]) -> str | None:
    """How the ECGs of a run are scaled: a probe's as its encoder's, while that is in models/ as it was."""
    if record["stage"] == "probe":
        (parent,) = record["parents"]
        if not (workspace.run_folder(parent["run"]) / RECORD).is_file():
            return None
        encoder = load_run(workspace, parent["run"])
        return _scaling(workspace, encoder.record) if encoder.run_id == parent["run_id"] else None
    found: str | None = record["params"]["config"].get("augment", {}).get("scaling")
    return found


def read_arm(record: Mapping[str, Any], arms_file: Path) -> ArmNote | None:
    """Read the arm that a run was trained as; None for the workspace's own runs.

    The experiment table, which may be missing, is read only for a run that did not record its arm.

    Raises
    ------
    ConfigError
        The table is needed and has problems.
    """
    if record.get("variant") is None:
        return None
    if record.get("arm"):
        # Runs of older versions recorded the parents as `parts`.
        return ArmNote({"parents": record["arm"].get("parts"), **record["arm"]}, is_recorded=True)
    if not arms_file.is_file():
        return ArmNote(None, is_recorded=False)
    table = load_arms(arms_file)
    try:
        return ArmNote(table.variant(record["stage"], record["variant"]).describe(), is_recorded=False)
    except ConfigError:  # the arm was removed from the table, or belongs to another stage now
        return ArmNote(None, is_recorded=False)
