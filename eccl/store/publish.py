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
from eccl.store.lock import writing
from eccl.store.parts import current_rows, data_version, read_table, table_files
from eccl.workspace import Workspace

RECORD_SHA256 = {"recordings": "clean_sha256", "cines": "frames_sha256"}
"""Checksum column of what models read, by table of slots."""
MODALITY_OF_TABLE = {"recordings": "ecg", "cines": "cine"}
MODALITY = {view: "cine" if view.startswith("cmr_") else "ecg" for view in features.VIEWS}


def publish(workspace: Workspace) -> dict[str, int]:
    """Publish what the workspace holds now as one DuckDB file.

    Works right after an ingest, before any model exists: the feature tables are then empty.

    Returns
    -------
    dict
        Rows per table, in the order of publication.
    """
    with writing(workspace.state, "publish"), aside(workspace.database) as temporary:
        connection = duckdb.connect(str(temporary))
        try:
            rows = _fill(connection, workspace)
        finally:
            connection.close()
    return rows


def is_published(workspace: Workspace) -> bool:
    """Whether the published store shows the data version that the workspace holds."""
    if not workspace.database.is_file():
        return False
    try:
        with database.open_store(workspace.root) as store:
            found = store.sql("SELECT data_version FROM data_versions WHERE is_current").fetchall()
    except duckdb.Error:  # made by another version of this package, or damaged: publish anew
        return False
    return found == [(data_version(workspace.data),)]


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
    known = _participants(workspace)
    slots: list[pa.Table] = []
    gone: set[int] = set()
    for table in database.COHORT_TABLES:
        files = table_files(workspace.data, table)
        rows = pa.concat_tables([pq.read_table(file) for file in files]) if files else None
        if rows is not None and table in RECORD_SHA256:
            is_known = pc.is_in(rows.column("eid"), value_set=known)
            gone |= set(rows.filter(pc.invert(is_known)).column("eid").to_pylist())
            rows = rows.filter(is_known)
            current = current_rows(rows)
            slots.append(_slots(table, rows, current))
            rows = current
        if rows is not None and table == "quarantine":
            rows = read_table(workspace.data, table)
            rows = rows.filter(pc.invert(pc.is_in(rows.column("eid"), value_set=pa.array(sorted(gone), pa.int64()))))
        yield table, rows
    yield "slots", pa.concat_tables(slots) if slots else None
    yield "runs", _runs(workspace.models)
    yield "data_versions", _data_versions(workspace)
    results = workspace.gate / "results.parquet"
    yield "validation_results", pq.read_table(results) if results.is_file() else None


def _participants(workspace: Workspace) -> pa.Array:
    # Whoever withdrew since is in no table but the parts of the arrays, and must not come back through those.
    if not table_files(workspace.data, "participants"):
        return pa.array([], pa.int64())
    return read_table(workspace.data, "participants", ["eid"]).column(0).combine_chunks()


def _slots(table: str, rows: pa.Table, current: pa.Table) -> pa.Table:
    return pa.table(
        {
            "modality": pa.array([MODALITY_OF_TABLE[table]] * rows.num_rows, pa.string()),
            **{name: rows.column(name) for name in ("row", "eid", "instance", "path", "file_sha256")},
            "record_sha256": rows.column(RECORD_SHA256[table]),
            "is_current": pc.is_in(rows.column("row"), value_set=current.column("row").combine_chunks()),
        }
    )


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
                # Every epoch's values stay in run.json; the table holds the chosen ones.
                "metrics": json.dumps({k: v for k, v in found["metrics"].items() if k != "history"}, sort_keys=True),
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
    connection.execute(f"DELETE FROM features.{view} WHERE eid NOT IN (SELECT eid FROM participants)").fetchall()


def _length(table: pa.Table) -> int:
    lengths = pc.unique(pc.list_value_length(table.column("vector"))).to_pylist()
    return int(lengths[0]) if len(lengths) == 1 else 0


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    selects = "\n    UNION ALL ".join(
        f"SELECT DISTINCT '{view}' AS feature_view, '{MODALITY[view]}' AS modality, run, run_id, eid, instance, data_version, array_row "
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
