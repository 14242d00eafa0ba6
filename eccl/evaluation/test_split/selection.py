"""The frozen selection: which runs may be scored on the test split, decided on validation before the split is read.

::

    reports/table1/selection.json
      data_version, preset, label_definition, instances
      selection    sha-256 over what decides the scores: ids and weights of the runs, on this data
      runs         run -> stage, task, variant, seed, run_id, weights_sha256, best_epoch, rule, and validation_score: the
                   rule's score of the best epoch, higher is better (minus the loss where that is the rule)

A selection is scored once. Scoring another one, also one of other data, is another access to the test split: it requires a
reason, which stays in the test-access log (:mod:`eccl.evaluation.test_split.access_log`). The file contains no time: equal runs
give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from eccl.data.files import replace_file
from eccl.data.run_records import training_command
from eccl.errors import SplitError, VersionError
from eccl.evaluation.predictions import read_predictions
from eccl.evaluation.test_split.access_log import log_access
from eccl.features.files import read_features
from eccl.features.materialized import is_covered
from eccl.training.runs import RECORD, load_run
from eccl.workspace import Workspace

FILE = "selection.json"


@dataclass(frozen=True, slots=True)
class Scope:
    """Data, labels and visits that a selection is scored on.

    Parameters
    ----------
    data_version, preset
        Data and preset of the workspace.
    label_definition
        Definition of the diseases' labels.
    instances
        Visits that are scored.
    """

    data_version: str
    preset: str
    label_definition: str
    instances: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """A frozen selection; `runs` maps each run to its entry in selection.json."""

    scope: Scope
    sha256: str
    runs: Mapping[str, Mapping[str, Any]]


def selection_file(workspace: Workspace) -> Path:
    """Path of the frozen selection."""
    return workspace.reports / "table1" / FILE


def freeze(workspace: Workspace, runs: Iterable[str], scope: Scope, reason: str | None = None) -> Selection:
    """Write the selection of finished runs, before any row of the test split is read.

    Parameters
    ----------
    runs
        Names of finished runs of the experiment table.
    reason
        Why another selection than before is scored, in words.

    Raises
    ------
    SplitError
        Another selection was scored already, of whatever data version, and no reason is given.
    VersionError
        A run was trained on other data than the workspace holds.
    """
    entries = {run: _entry(workspace, run, scope) for run in runs}
    content = {
        "scope": [scope.data_version, scope.label_definition, list(scope.instances)],
        "runs": {run: [entry["run_id"], entry["weights_sha256"]] for run, entry in entries.items()},
    }
    sha256 = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    log_access(workspace, scope.data_version, scope.preset, sha256, list(entries), reason)
    document = {
        "data_version": scope.data_version,
        "preset": scope.preset,
        "label_definition": scope.label_definition,
        "instances": list(scope.instances),
        "selection": sha256,
        "runs": entries,
    }
    replace_file(selection_file(workspace), (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
    return Selection(scope, sha256, entries)


def read_selection(workspace: Workspace) -> Selection | None:
    """The selection that was frozen last; None if there is none. Its scope may be of other data than the workspace holds."""
    file = selection_file(workspace)
    if not file.is_file():
        return None
    content = json.loads(file.read_text())
    named = {name: content[name] for name in ("data_version", "preset", "label_definition")}
    scope = Scope(**named, instances=tuple(content["instances"]))
    return Selection(scope, content["selection"], content["runs"])


def is_finished(workspace: Workspace, run: str) -> bool:
    """Whether a run was trained to its end."""
    return (workspace.run_folder(run) / RECORD).is_file()


def read_selected(
    workspace: Workspace, selection: Selection, view: str, run: str, split: str, code: str | None = None
) -> pl.DataFrame:
    """Rows of a run for the pairs of a split: the only way from the test split into Table 1.

    Raises
    ------
    SplitError
        The run is not in the frozen selection.
    VersionError
        The run was trained again since the selection was frozen.
    FeatureError
        Its rows are missing or incomplete.
    """
    entry = selection.runs.get(run)
    if entry is None:
        raise SplitError(
            f"{run} is not in the frozen selection ({len(selection.runs)} runs); rows are read for runs that were frozen "
            f"before the split was read: `{training_command(run)}`"
        )
    found = read_features(workspace.features, view, run, ["run_id"]).column("run_id").unique().to_pylist()
    weights = load_run(workspace, run).record["weights_sha256"]
    if found != [entry["run_id"]] or weights != entry["weights_sha256"]:
        raise VersionError(
            f"{run} was trained again since its selection was frozen (weights {weights[:12]}, frozen {entry['weights_sha256'][:12]}); "
            "run `eccl table1` again"
        )
    scope = selection.scope
    return read_predictions(workspace, view, run, split, scope.instances, code, scope.data_version)


def _entry(workspace: Workspace, run: str, scope: Scope) -> dict[str, Any]:
    record = load_run(workspace, run).record
    trained_on = record["data_version"]
    if not is_covered(workspace.features, run, record["run_id"], trained_on, scope.data_version):
        raise VersionError(
            f"{run} was trained on data version {trained_on}, the workspace holds {scope.data_version}; run "
            f"`{training_command(run)}`"
        )
    metrics = record.get("metrics", {})
    return {
        **{name: record[name] for name in ("stage", "task", "variant", "seed", "run_id", "weights_sha256")},
        "best_epoch": record.get("best_epoch"),
        "rule": metrics.get("selection"),
        "validation_score": metrics.get("best", {}).get("val_score"),
    }
