"""Build eccl.duckdb from the Parquet parts, the features and the runs, aside, and swap it in.

Readers that hold the old file keep reading it; whoever opens the store next gets the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl.store import database, features, versions
from eccl.store.files import aside
from eccl.store.parts import current_rows, table_files
from eccl.workspace import Workspace

MODALITY = {view: "cine" if view.startswith("cmr_") else "ecg" for view in features.VIEWS}


def publish(workspace: Workspace) -> dict[str, int]:
    """Publish what the workspace holds now as one DuckDB file.

    Works right after an ingest, before any model exists: the feature tables are then empty.

    Returns
    -------
    dict
        Rows per table, in the order of publication.
    """
    with aside(workspace.database) as temporary:
        connection = duckdb.connect(str(temporary))
        try:
            rows = _fill(connection, workspace)
        finally:
            connection.close()
    return rows


def _fill(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table, incoming in _tables(workspace):
        database.create_tables(connection, [table])
        if incoming is not None:
            database.fill_table(connection, table, incoming)
        counts[table] = _count(connection, table)
    connection.execute("CREATE SCHEMA features").fetchall()
    for view in features.VIEWS:
        _fill_view(connection, workspace.features, view)
        counts[f"features.{view}"] = _count(connection, f"features.{view}")
    _create_views(connection)
    return counts


def _tables(workspace: Workspace) -> Iterable[tuple[str, pa.Table | None]]:
    for table in database.COHORT_TABLES:
        files = table_files(workspace.data, table)
        rows = pa.concat_tables([pq.read_table(file) for file in files]) if files else None
        yield table, current_rows(rows) if rows is not None and table in {"recordings", "cines"} else rows
    yield "runs", _runs(workspace.models)
    yield "data_versions", _data_versions(workspace)
    results = workspace.gate / "results.parquet"
    yield "validation_results", pq.read_table(results) if results.is_file() else None


def _runs(models: Path) -> pa.Table | None:
    columns = [column.name for column in database.empty_table("runs").schema]
    rows: list[dict[str, Any]] = []
    for file in sorted(models.glob("*/run.json")):
        if file.parent.name.startswith("."):
            continue
        found = json.loads(file.read_text())
        gate = found["gate"]
        rows.append(
            {
                **{name: found.get(name) for name in columns},
                "gate_status": gate["status"],
                "gate_sha256": gate["sha256"],
                "gate_override": gate["override"],
                "parents": ",".join(parent["run_id"] for parent in found["parents"]),
                "metrics": json.dumps(found["metrics"], sort_keys=True),
            }
        )
    return pa.Table.from_pylist(rows) if rows else None


def _data_versions(workspace: Workspace) -> pa.Table | None:
    rows = [version.to_row() for version in versions.list_versions(workspace)]
    return pa.Table.from_pylist(rows) if rows else None


def _fill_view(connection: duckdb.DuckDBPyConnection, folder: Path, view: str) -> None:
    tables = []
    for run in features.runs_of(folder, view):
        table = features.read_features(folder, view, run)
        tables.append(table.append_column("run", pa.array([run] * table.num_rows, pa.string())))
    # Runs of one view may have vectors of different lengths (other encoders); only equal ones get a fixed type.
    lengths = {_length(table) for table in tables if "vector" in table.column_names}
    vector = f"FLOAT[{lengths.pop()}]" if len(lengths) == 1 else "FLOAT[]"
    connection.execute(database.schema_sql("features", view).replace("{vector}", vector)).fetchall()
    for table in tables:
        database.fill_table(connection, f"features.{view}", table)


def _length(table: pa.Table) -> int:
    lengths = pc.unique(pc.list_value_length(table.column("vector"))).to_pylist()
    return int(lengths[0]) if len(lengths) == 1 else 0


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    selects = "\n    UNION ALL ".join(
        f"SELECT DISTINCT '{view}' AS feature_view, '{MODALITY[view]}' AS modality, run, run_id, eid, instance, data_version "
        f"FROM features.{view}"
        for view in features.VIEWS
    )
    connection.execute(database.schema_sql("views", "lineage").replace("{views}", selects)).fetchall()
    traits = connection.execute(
        "SELECT field_id, short_name FROM fields WHERE trait_index IS NOT NULL ORDER BY trait_index"
    ).fetchall()
    if traits:
        columns = ",\n    ".join(f'max("value") FILTER (field_id = {field}) AS "{name}"' for field, name in traits)
        connection.execute(database.schema_sql("views", "traits_wide").replace("{columns}", columns)).fetchall()


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    return int(row[0])
