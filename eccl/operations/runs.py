"""Runs and their features: current or stale for the data of a workspace, and visits without features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from eccl.data.parts import read_table, table_files
from eccl.data.run_records import is_of_experiment, run_records
from eccl.errors import ChecksumError
from eccl.features.files import runs_of
from eccl.features.materialized import is_covered, read_all_features
from eccl.features.views import computed_views
from eccl.modalities import MODALITIES
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RunState:
    """A run and the coverage of its features.

    Parameters
    ----------
    run_id
        None where there are features without run.json.
    is_current
        Whether it was trained on this data, or its features were backfilled for it.
    without
        By view: visits with a current recording or cine that have no row. Views that only training reads are left out.
    """

    run: str
    run_id: str | None
    data_version: str | None
    is_current: bool
    without: Mapping[str, int]

    @property
    def is_complete(self) -> bool:
        """Whether it is current and no visit lacks a row."""
        return self.is_current and not any(self.without.values())


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """Counts of the experiment table's runs.

    Parameters
    ----------
    trained
        Runs with a record.
    stale
        Those whose features belong to other data than the workspace's.
    """

    trained: int = 0
    stale: int = 0


def read_experiments(workspace: Workspace, version: str) -> ExperimentState:
    """Count the runs of the experiment table."""
    found = {run: record for run, record in _records(workspace).items() if is_of_experiment(run)}
    described = {run for view in computed_views() for run in runs_of(workspace.features, view.name)}
    stale = [run for run in described & set(found) if not _is_covered(workspace, found[run], version)]
    return ExperimentState(len(found), len(stale))


def read_runs(workspace: Workspace, version: str) -> Iterator[RunState]:
    """Read the workspace's own runs that have a model or features, by name."""
    records = _records(workspace)
    views: dict[str, list[str]] = {}
    for view in computed_views():
        for run in runs_of(workspace.features, view.name):
            views.setdefault(run, []).append(view.name)
    slots = {one.kind: _current_slots(workspace, one.table) for one in MODALITIES}
    for run in sorted(run for run in {*records, *views} if not is_of_experiment(run)):
        record = records.get(run)
        without = {
            view.name: _without(workspace, view.name, run, slots[str(view.modality)])
            for view in computed_views()
            if view.name in views.get(run, []) and not view.is_cache
        }
        if record is None:
            yield RunState(run, None, None, is_current=False, without=without)
            continue
        covered = _is_covered(workspace, record, version)
        yield RunState(run, record["run_id"], str(record["data_version"]), covered, without)


def _records(workspace: Workspace) -> dict[str, dict[str, Any]]:
    try:
        return {record["run"]: record for record in run_records(workspace.models)}
    except (OSError, ValueError, KeyError):
        return {}


def _is_covered(workspace: Workspace, record: Mapping[str, Any], version: str) -> bool:
    return is_covered(workspace.features, record["run"], record["run_id"], str(record["data_version"]), version)


def _current_slots(workspace: Workspace, table: str) -> pa.Array:
    if not table_files(workspace.data, table):
        return pa.array([], pa.int64())
    return read_table(workspace.data, table, ["row"]).column(0).combine_chunks()


def _without(workspace: Workspace, view: str, run: str, slots: pa.Array) -> int:
    try:
        rows = read_all_features(workspace.features, view, run, ["array_row"]).column(0).unique()
    except (OSError, ChecksumError, pa.ArrowInvalid):
        return len(slots)
    return int(pc.sum(pc.invert(pc.is_in(slots, value_set=rows))).as_py() or 0)
