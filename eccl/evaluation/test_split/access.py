"""Whether the test split is open for a run: whether it was scored for these very weights, data, visits and labels.

::

    the workspace's own runs    stage `evaluate` scored them: reports/metrics.json, key `runs`
    runs of the experiments     `eccl table1` froze them: reports/table1/selection.json

Reports on single runs (cards, associations) ask here before they read a row of the test split. They never open it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eccl.config import load_params
from eccl.data.run_names import is_of_experiment
from eccl.errors import SplitError
from eccl.evaluation.test_split.selection import Selection, is_finished, read_selection
from eccl.training.runs import load_run
from eccl.workspace import Workspace

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of one run.

    Parameters
    ----------
    closed
        Why the test split is closed for the run, and what would open it; empty where it is open.
    selection
        The selection through which the rows of an experiment's run are read; None for the workspace's own runs.
    """

    closed: str = ""
    selection: Selection | None = None


def look_up(workspace: Workspace, record: Record, current: str, definition: str | None = None) -> Opening:
    """Whether the test split is open for the run of a record.

    Parameters
    ----------
    record
        Content of run.json.
    current
        Data version of the workspace.
    definition
        Definition of the labels that are to be scored; by default that of params.yaml.
    """
    wanted = _wanted(workspace, current, definition)
    name = str(record["run"])
    if not is_of_experiment(name):
        return Opening(_closed_by_evaluate(workspace, record, wanted))
    selection = read_selection(workspace)
    if selection is not None and _is_of(selection, wanted):
        entry = selection.runs.get(name)
        if entry is not None and _is_same(entry, record):
            return Opening(selection=selection)
    return Opening(f"{_NOT_OPENED}; `eccl table1` freezes a selection first, then does that.")


def closed_runs(workspace: Workspace, runs: Iterable[str], current: str) -> dict[str, str]:
    """Runs for which the test split is closed, each with the reason.

    Raises
    ------
    WorkspaceError
        A run is not trained.
    """
    found = {run: look_up(workspace, load_run(workspace, run).record, current).closed for run in runs}
    return {run: reason for run, reason in found.items() if reason}


def choose_split(workspace: Workspace, runs: Iterable[str], current: str, wanted: str | None) -> tuple[str, str]:
    """Split on which some runs may be looked at together.

    Parameters
    ----------
    wanted
        ``val``, ``test``, or None for test where it is open for every run, else val.

    Returns
    -------
    tuple
        The split, and why it is not test where nobody asked for val; else empty.

    Raises
    ------
    SplitError
        ``test`` is wanted, and closed for a run.
    """
    if wanted == "val":
        return "val", ""
    names = list(runs)
    closed = closed_runs(workspace, names, current)
    if not closed:
        return "test", ""
    run, reason = next(iter(closed.items()))
    told = f"the test split is closed for {len(closed)} of {len(names)} runs, first for {run}: {reason}"
    if wanted == "test":
        raise SplitError(f"{told} Do that, or take the validation split (`--split val`)")
    return "val", f"{told} The validation split is shown"


def scored_runs(workspace: Workspace, runs: Mapping[str, set[str]]) -> dict[str, dict[str, str]]:
    """What stage `evaluate` writes down of the runs it scored: run -> run id and weights.

    Parameters
    ----------
    runs
        Run -> run ids of the rows that were scored. A run whose record speaks of another one is left out: nobody knows its
        weights, and it stays closed.
    """
    found = {}
    for run, ids in runs.items():
        if not is_finished(workspace, run):
            continue
        record = load_run(workspace, run).record
        if ids == {record["run_id"]}:
            found[run] = {name: str(record[name]) for name in ("run_id", "weights_sha256")}
    return found


def _closed_by_evaluate(workspace: Workspace, record: Record, wanted: Mapping[str, Any]) -> str:
    file = workspace.reports / "metrics.json"
    metrics = json.loads(file.read_text()) if file.is_file() else {}
    entry = metrics.get("runs", {}).get(record["run"])
    if entry is not None and _is_same(entry, record) and all(metrics.get(name) == one for name, one in wanted.items()):
        return ""
    is_older = bool(metrics) and not {"label_definition", "instances"} <= set(metrics)
    how = "dvc repro --force --single-item evaluate" if is_older else "dvc repro evaluate"
    return f"{_NOT_OPENED}; stage `evaluate` does that (`{how}`), for `align` and `pretrain_cmr` of every task."


_NOT_OPENED = "The test split was not opened for these weights on these data, visits and labels"


def _wanted(workspace: Workspace, current: str, definition: str | None) -> dict[str, Any]:
    """What a report that is made now would score: another label or other visits are another look."""
    params = load_params(workspace.params_file)
    return {
        "data_version": current,
        "label_definition": definition or params.cohort.label_definition,
        "instances": list(params.presets[params.preset]["evaluation"]["instances"]),
    }


def _is_of(selection: Selection, wanted: Mapping[str, Any]) -> bool:
    scope = selection.scope
    own = {"data_version": scope.data_version, "label_definition": scope.label_definition}
    return {**own, "instances": list(scope.instances)} == wanted


def _is_same(entry: Mapping[str, Any], record: Record) -> bool:
    return all(entry.get(name) == record[name] for name in ("run_id", "weights_sha256"))
