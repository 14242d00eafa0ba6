"""Whether the test split may be read for a run: only after it was scored for these weights, data, visits and labels.

::

    the workspace's own runs    stage `evaluate` scored them: reports/metrics.json, key `runs`
    runs of the experiments     `eccl table1` froze them: reports/table1/selection.json

Reports on single runs (cards, associations) check this before they read a row of the test split. They never score it first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eccl.config import load_params
from eccl.data.run_records import is_of_experiment
from eccl.errors import SplitError
from eccl.evaluation.test_split.selection import Selection, is_finished, read_selection
from eccl.training.runs import load_run
from eccl.workspace import Workspace

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SplitAccess:
    """Access of one run to the test split.

    Parameters
    ----------
    denied
        Why the test split must not be read for the run, and the command that scores it; empty where it may be read.
    selection
        The selection through which the rows of an experiment's run are read; None for the workspace's own runs.
    """

    denied: str = ""
    selection: Selection | None = None


def find_access(workspace: Workspace, record: Record, current: str, definition: str | None = None) -> SplitAccess:
    """Access to the test split of the run of a record.

    Parameters
    ----------
    record
        Content of run.json.
    current
        Data version of the workspace.
    definition
        Definition of the labels to score; by default that of params.yaml.
    """
    wanted = _wanted(workspace, current, definition)
    name = str(record["run"])
    if not is_of_experiment(name):
        return SplitAccess(_denied_by_evaluate(workspace, record, wanted))
    selection = read_selection(workspace)
    if selection is not None and _is_of(selection, wanted):
        entry = selection.runs.get(name)
        if entry is not None and _is_same(entry, record):
            return SplitAccess(selection=selection)
    return SplitAccess(f"{_NOT_SCORED}; `eccl table1` freezes a selection, then scores it.")


def choose_split(workspace: Workspace, runs: Iterable[str], current: str, wanted: str | None) -> tuple[str, str]:
    """Split on which several runs may be compared.

    Parameters
    ----------
    wanted
        ``val``, ``test``, or None for test where every run has access to it, else val.

    Returns
    -------
    tuple
        The split, and why it is not test although val was not requested; else empty.

    Raises
    ------
    SplitError
        ``test`` is requested, and a run has no access to it.
    WorkspaceError
        A run is not trained.
    """
    if wanted == "val":
        return "val", ""
    accesses = {run: find_access(workspace, load_run(workspace, run).record, current).denied for run in runs}
    denied = [(run, reason) for run, reason in accesses.items() if reason]
    if not denied:
        return "test", ""
    run, reason = denied[0]
    note = f"the test split must not be read for {len(denied)} of {len(accesses)} runs, first {run}: {reason}"
    if wanted == "test":
        raise SplitError(f"{note} Run that, or use the validation split (`--split val`)")
    return "val", f"{note} The validation split is used"


def scored_runs(workspace: Workspace, runs: Mapping[str, set[str]]) -> dict[str, dict[str, str]]:
    """Runs that stage `evaluate` scored: run -> run id and weights.

    Parameters
    ----------
    runs
        Run -> run ids of the rows that were scored. A run whose record has another run id is omitted: its weights are unknown.
    """
    found = {}
    for run, ids in runs.items():
        if not is_finished(workspace, run):
            continue
        record = load_run(workspace, run).record
        if ids == {record["run_id"]}:
            found[run] = {name: str(record[name]) for name in ("run_id", "weights_sha256")}
    return found


def _denied_by_evaluate(workspace: Workspace, record: Record, wanted: Mapping[str, Any]) -> str:
    file = workspace.reports / "metrics.json"
    metrics = json.loads(file.read_text()) if file.is_file() else {}
    entry = metrics.get("runs", {}).get(record["run"])
    if entry is not None and _is_same(entry, record) and all(metrics.get(name) == one for name, one in wanted.items()):
        return ""
    is_older = bool(metrics) and not {"label_definition", "instances"} <= set(metrics)
    how = "dvc repro --force --single-item evaluate" if is_older else "dvc repro evaluate"
    return f"{_NOT_SCORED}; stage `evaluate` scores it (`{how}`), for `align` and `pretrain_cmr` of every task."


_NOT_SCORED = "The test split was not scored for these weights on these data, visits and labels"


def _wanted(workspace: Workspace, current: str, definition: str | None) -> dict[str, Any]:
    """Data, labels and visits that a report made now would score: other labels or visits are another access."""
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
