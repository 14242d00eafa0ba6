"""features/: rows leave every view, teacher caches included, and what stays is declared valid for the new data version.

reports/: rows leave the tables that an evaluation wrote; a drawing of them is deleted where it showed somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from eccl import __version__
from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.parts import data_version, read_table, table_files, write_parquet
from eccl.data.run_records import run_records
from eccl.features.files import runs_of
from eccl.features.materialized import FOLDER, WITHDRAWAL, is_covered, list_materializations, write_materialization
from eccl.features.views import computed_views
from eccl.modalities import MODALITY_OF_KIND
from eccl.withdrawal.journal import Plan
from eccl.withdrawal.rows import without
from eccl.workspace import Workspace

DRAWINGS = {".png", ".svg"}


def feature_files(workspace: Workspace) -> list[Path]:
    """Every Parquet file of features, those that were materialized later included."""
    found = [*workspace.features.glob("*/*.parquet"), *workspace.features.glob(f"{FOLDER}/*/*/*.parquet")]
    return sorted(file for file in found if not file.name.startswith(TEMPORARY_PREFIX))


def report_files(workspace: Workspace) -> list[Path]:
    """Every Parquet file of reports that says something of participants: points of figures, and the like."""
    found = [file for file in workspace.reports.rglob("*.parquet") if not file.name.startswith(TEMPORARY_PREFIX)]
    return sorted(file for file in found if "eid" in pq.read_schema(file).names)


def empty_reports(workspace: Workspace, plan: Plan) -> None:
    """Take the rows out of the reports' tables, and delete the drawings beside one that had some."""
    for file in report_files(workspace):
        rows = pq.read_table(file)
        left = without(rows, plan.select)
        if left.num_rows < rows.num_rows:
            # Drawings first: after a kill the rows that are still there say that they must go.
            for drawing in [path for path in file.parent.iterdir() if path.suffix in DRAWINGS]:
                drawing.unlink()
            write_parquet(left, file)


def empty_features(workspace: Workspace, plan: Plan) -> None:
    """Take the rows out of every feature file, then bring the runs that covered the data before up to the data now."""
    for file in feature_files(workspace):
        rows = pq.read_table(file)
        left = without(rows, plan.select)
        if left.num_rows < rows.num_rows:
            write_parquet(left, file)
    if plan.covered:
        version = data_version(workspace.data)
        for run, before in plan.covered.items():
            if version != plan.data_version:
                _bring_up(workspace, run, before, version)


def covered_runs(workspace: Workspace, version: str | None) -> dict[str, dict[str, Any]]:
    """Runs with features that hold for a data version: run id, and visits by view."""
    found: dict[str, dict[str, Any]] = {}
    for record in run_records(workspace.models):
        views = [view.name for view in computed_views() if record["run"] in runs_of(workspace.features, view.name)]
        identity = (record["run"], record["run_id"], record["data_version"])
        if views and version and is_covered(workspace.features, *identity, version):
            visits = {view: _count_visits(workspace, view, record["run"], record["run_id"]) for view in views}
            found[record["run"]] = {"run_id": record["run_id"], "visits": visits}
    return found


def _bring_up(workspace: Workspace, run: str, before: Mapping[str, Any], version: str) -> None:
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
    if not table_files(workspace.data, table):
        return 0
    return int(read_table(workspace.data, table, ["row"]).num_rows)
