"""Steps of a withdrawal on features/ and reports/, and the runs whose models used data of the participants.

Rows are removed from every view, including teacher caches, and the other rows are declared valid for the new data version.
Rows are removed from the tables of reports; the figures beside a table that held such rows are deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl import __version__
from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.parts import data_version, read_table, table_files, write_parquet
from eccl.data.run_records import run_records
from eccl.features.files import runs_of
from eccl.features.materialized import FOLDER, WITHDRAWAL, is_covered, list_materializations, write_materialization
from eccl.features.views import computed_views
from eccl.modalities import MODALITY_OF_KIND, SLOT_TABLES
from eccl.withdrawal.journal import Plan
from eccl.withdrawal.rows import remaining_rows
from eccl.workspace import Workspace

DRAWINGS = {".png", ".svg"}
HOW = {"train": "trained", "val": "selected"}
"""Use of a split by a model; of the test split it only computed scores, which are removed."""


def feature_files(workspace: Workspace) -> list[Path]:
    """Every Parquet file of features, including materialized ones."""
    found = [*workspace.features.glob("*/*.parquet"), *workspace.features.glob(f"{FOLDER}/*/*/*.parquet")]
    return sorted(file for file in found if not file.name.startswith(TEMPORARY_PREFIX))


def report_files(workspace: Workspace) -> list[Path]:
    """Every Parquet file of reports with rows of participants, such as points of figures."""
    found = [file for file in workspace.reports.rglob("*.parquet") if not file.name.startswith(TEMPORARY_PREFIX)]
    return sorted(file for file in found if "eid" in pq.read_schema(file).names)


def empty_reports(workspace: Workspace, plan: Plan) -> None:
    """Remove the rows from the reports' tables, and delete the figures beside a table that held some."""
    for file in report_files(workspace):
        left = remaining_rows(file, plan.select)
        if left is not None:
            # Figures first: after a kill the remaining rows show that the figures must be deleted.
            for figure in [path for path in file.parent.iterdir() if path.suffix in DRAWINGS]:
                figure.unlink()
            write_parquet(left, file)


def empty_features(workspace: Workspace, plan: Plan) -> None:
    """Remove the rows from every feature file, and declare covered runs valid for the new data version."""
    for file in feature_files(workspace):
        left = remaining_rows(file, plan.select)
        if left is not None:
            write_parquet(left, file)
    if plan.covered and (version := data_version(workspace.data)) != plan.data_version:
        for run, before in plan.covered.items():
            _declare_valid(workspace, run, before, version)


def covered_runs(workspace: Workspace, version: str | None) -> dict[str, dict[str, Any]]:
    """Runs with features that are valid for a data version: run id, and visits by view."""
    found: dict[str, dict[str, Any]] = {}
    for record in run_records(workspace.models):
        views = [view.name for view in computed_views() if record["run"] in runs_of(workspace.features, view.name)]
        identity = (record["run"], record["run_id"], record["data_version"])
        if views and version and is_covered(workspace.features, *identity, version):
            visits = {view: _count_visits(workspace, view, record["run"], record["run_id"]) for view in views}
            found[record["run"]] = {"run_id": record["run_id"], "visits": visits}
    return found


def _declare_valid(workspace: Workspace, run: str, before: Mapping[str, Any], version: str) -> None:
    views = list(before["visits"])
    record = {
        "run": run,
        "run_id": before["run_id"],
        "data_version": version,
        "reason": WITHDRAWAL,
        "gate": None,
        "added": {},
        "visits_with_before": before["visits"],
        "visits_with_after": {view: _count_visits(workspace, view, run, before["run_id"]) for view in views},
        "visits": {view: _count_all_visits(workspace, view) for view in views},
        "code_version": __version__,
    }
    write_materialization(workspace.features, record, {})


def _count_visits(workspace: Workspace, view: str, run: str, run_id: str) -> int:
    later = [one.folder / f"{view}.parquet" for one in list_materializations(workspace.features, run, run_id)]
    files = [workspace.features / view / f"{run}.parquet", *(file for file in later if file.is_file())]
    rows = pa.concat_tables([pq.read_table(file, columns=["eid", "instance"]) for file in files])
    return int(rows.group_by(["eid", "instance"]).aggregate([]).num_rows)


def _count_all_visits(workspace: Workspace, view: str) -> int:
    modality = next(one.modality for one in computed_views() if one.name == view)
    table = MODALITY_OF_KIND[str(modality)].table
    return int(read_table(workspace.data, table, ["row"]).num_rows) if table_files(workspace.data, table) else 0


def find_tainted(workspace: Workspace, eids: Collection[int]) -> list[dict[str, str]]:
    """Runs whose model was trained or selected on data of one of some participants, or builds on such a model.

    The feature rows of a run hold the split of each participant at the time of training. The masked autoencoder writes no
    features: it used every ECG of train and val, so a participant of those splits with a recording or cine taints it.
    """
    records = list(run_records(workspace.models))
    found: dict[str, str] = {}
    for record in records:
        if splits := _splits_used(workspace, record["run"], eids):
            how = next((HOW[split] for split in HOW if split in splits), None)
            if how:
                found[record["run_id"]] = how
    while children := {
        record["run_id"]
        for record in records
        if record["run_id"] not in found and any(parent["run_id"] in found for parent in record["parents"])
    }:
        found |= dict.fromkeys(children, "parent")
    return [
        {"run": record["run"], "run_id": record["run_id"], "how": found[record["run_id"]]}
        for record in records
        if record["run_id"] in found
    ]


def _splits_used(workspace: Workspace, run: str, eids: Collection[int]) -> set[str]:
    # Materialized rows were added after training: only the files of the stage count.
    files = [file for file in workspace.features.glob(f"*/{run}.parquet") if not file.name.startswith(".")]
    if not files:
        return _splits_recorded(workspace, eids)
    return {split for file in files for split in _splits_of(pq.read_table(file, columns=["eid", "split"]), eids)}


def _splits_recorded(workspace: Workspace, eids: Collection[int]) -> set[str]:
    if not table_files(workspace.data, "splits"):
        return set()
    slots = [table for table in SLOT_TABLES if table_files(workspace.data, table)]
    recorded = {eid for table in slots for eid in read_table(workspace.data, table, ["eid"]).column(0).to_pylist()}
    return _splits_of(read_table(workspace.data, "splits", ["eid", "split"]), recorded.intersection(eids))


def _splits_of(rows: pa.Table, eids: Collection[int]) -> set[str]:
    is_own = pc.is_in(rows.column("eid"), value_set=pa.array(sorted(eids), pa.int64()))
    return set(rows.filter(is_own).column("split").to_pylist())
