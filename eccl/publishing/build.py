"""Fill an empty DuckDB file with the contents of a workspace: tables, features, registry, views and macros.

Published are the features of the workspace's own runs. Those of experiments' arms stay in features/: at the paper's size
they are tens of gigabytes, and their scores and figures are published as tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl.data import database
from eccl.data.parts import current_rows, data_version, read_files, read_table, table_files
from eccl.data.run_records import gate_status, is_of_experiment, run_records
from eccl.features import files as features
from eccl.features.materialized import is_covered, list_materializations
from eccl.features.views import FeatureView, computed_views, declared_views, label_definitions, quote, source_views
from eccl.ledger.certificates import Certificate, read_certificates
from eccl.modalities import MODALITIES, MODALITY_OF_TABLE, SLOT_TABLES
from eccl.versioning import versions
from eccl.workspace import Workspace

REPORT_TABLES = {
    "table1_scores": "table1/scores.parquet",
    "table1_traits": "table1/traits.parquet",
    "table1_rows": "table1/rows.parquet",
    "retrieval": "table1/retrieval.parquet",
    "figure_points": "figures/points.parquet",
    "associations": "associations/associations.parquet",
}
"""Tables that an evaluation wrote, with their file under reports/; each is empty until there is one."""
_RENAMED = {"low": "ci_lower", "high": "ci_upper"}
"""Columns of associations that an earlier version wrote, with their present names."""

# A row is current if its run covers the data version and its slot is the current one of its visit.
_SELECT = """
    SELECT f.* EXCLUDE (filename), o.run, CASE
        WHEN o.covered IS NULL OR f.run_id <> o.covered THEN 'stale' WHEN s.is_current THEN 'current' ELSE 'superseded'
    END AS state
    FROM read_parquet(?, filename = true) f
    JOIN (VALUES {origins}) o(file, run, covered) ON o.file = f.filename
    LEFT JOIN slots s ON s.modality = ? AND s."row" = f.array_row AND s.eid = f.eid AND s.instance = f.instance
    WHERE f.eid IN (SELECT eid FROM participants)
"""


def fill_store(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, known: Sequence[versions.DataVersion]
) -> None:
    """Fill an open, empty store.

    Works right after an ingest, before any model exists: the feature tables are then empty.

    Parameters
    ----------
    known
        Data versions of the workspace.
    """
    for table, incoming in _tables(workspace, known):
        database.create_tables(connection, [table])
        if incoming is not None:
            database.fill_table(connection, table, incoming)
    _fill_features(connection, workspace)


def _tables(workspace: Workspace, known: Sequence[versions.DataVersion]) -> Iterable[tuple[str, pa.Table | None]]:
    yield from _cohort_tables(workspace)
    certificates = read_certificates(workspace)
    runs = _runs(workspace.models, certificates)
    yield "runs", _from_rows(runs)
    yield "materializations", _from_rows(_materializations(workspace.features, runs))
    yield "data_versions", _from_rows(_data_versions(known, certificates))
    results = workspace.gate / "results.parquet"
    yield "validation_results", pq.read_table(results) if results.is_file() else None
    yield (
        "withdrawals",
        _from_rows(
            [
                {
                    "certificate": one.name,
                    "withdrawn_on": one.withdrawn_on,
                    "participants": one.participants,
                    "tainted_runs": len(one.tainted),
                }
                for one in certificates
            ]
        ),
    )
    yield from _report_tables(workspace)


def _cohort_tables(workspace: Workspace) -> Iterable[tuple[str, pa.Table | None]]:
    known = _participants(workspace)
    slots: list[pa.Table] = []
    gone: set[int] = set()
    for table in database.COHORT_TABLES:
        files = table_files(workspace.data, table)
        rows = read_files(files) if files else None
        if rows is not None and table in SLOT_TABLES:
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


def _report_tables(workspace: Workspace) -> Iterable[tuple[str, pa.Table | None]]:
    known = _participants(workspace)
    for table, name in REPORT_TABLES.items():
        path = workspace.reports / name
        rows = pq.read_table(path) if path.is_file() else None
        if rows is not None:
            rows = rows.rename_columns([_RENAMED.get(column, column) for column in rows.column_names])
        if rows is not None and "eid" in rows.column_names:
            eids = rows.column("eid")
            rows = rows.filter(pc.or_(pc.is_null(eids), pc.is_in(eids, value_set=known)))
        yield table, rows


def _participants(workspace: Workspace) -> pa.Array:
    # Participants who withdrew since are only in the parts of the arrays, and must not be published from those.
    if not table_files(workspace.data, "participants"):
        return pa.array([], pa.int64())
    return read_table(workspace.data, "participants", ["eid"]).column(0).combine_chunks()


def _slots(table: str, rows: pa.Table, current: pa.Table) -> pa.Table:
    modality = MODALITY_OF_TABLE[table]
    return pa.table(
        {
            "modality": pa.array([modality.kind] * rows.num_rows, pa.string()),
            **{name: rows.column(name) for name in ("row", "eid", "instance", "path", "file_sha256")},
            "record_sha256": rows.column(modality.model_checksum),
            "is_current": pc.is_in(rows.column("row"), value_set=current.column("row").combine_chunks()),
        }
    )


def _runs(models: Path, certificates: Iterable[Certificate]) -> list[dict[str, Any]]:
    columns = [column.name for column in database.empty_table("runs").schema]
    tainted: dict[str, date] = {}
    for certificate in certificates:
        for run_id in certificate.tainted:
            tainted[run_id] = min(certificate.withdrawn_on, tainted.get(run_id, certificate.withdrawn_on))
    rows: list[dict[str, Any]] = []
    for found in run_records(models):
        gate = found["gate"]
        rows.append(
            {
                **{name: found.get(name) for name in columns},
                "gate_status": gate_status(gate["status"]),
                "gate_sha256": gate["sha256"],
                "gate_override": gate["override"],
                "parents": ",".join(parent["run_id"] for parent in found["parents"]),
                # Every epoch's values stay in run.json; the table has the chosen ones.
                "metrics": json.dumps({k: v for k, v in found["metrics"].items() if k != "history"}, sort_keys=True),
                "tainted_since": tainted.get(found["run_id"]),
            }
        )
    return rows


def _materializations(folder: Path, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("run", "run_id", "data_version", "reason", "gate_status", "gate_sha256", "gate_override")
    return [
        {**{name: getattr(one, name) for name in names}, "rows_added": sum(one.added.values())}
        for run in runs
        for one in list_materializations(folder, run["run"], run["run_id"])
    ]


def _data_versions(known: Sequence[versions.DataVersion], certificates: Iterable[Certificate]) -> list[dict[str, Any]]:
    deleted = {version: one.withdrawn_on for one in certificates for version in one.purged_versions}
    return [{**version.to_row(), "deleted_on": deleted.get(version.data_version)} for version in known]


def _from_rows(rows: list[dict[str, Any]]) -> pa.Table | None:
    return pa.Table.from_pylist(rows) if rows else None


def _fill_features(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    connection.execute("CREATE SCHEMA features").fetchall()
    # Vectors do not compress: stored uncompressed, a search reads them twice as fast.
    for has_vectors in (False, True):
        connection.execute("CHECKPOINT").fetchall()
        connection.execute(f"SET force_compression = '{'uncompressed' if has_vectors else 'auto'}'").fetchall()
        for view in computed_views():
            if view.is_vector == has_vectors:
                _fill_view(connection, workspace, view)
    connection.execute("CHECKPOINT").fetchall()
    connection.execute("SET force_compression = 'auto'").fetchall()
    _register_views(connection)
    _create_views(connection)


def _fill_view(connection: duckdb.DuckDBPyConnection, workspace: Workspace, view: FeatureView) -> None:
    """Make a view's table and fill it from the files of all own runs in one statement, which reads them in parallel."""
    runs = [run for run in features.runs_of(workspace.features, view.name) if not is_of_experiment(run)]
    current = data_version(workspace.data) if runs else ""
    known = dict(connection.execute("SELECT run, (run_id, data_version) FROM runs").fetchall())
    files: dict[str, list[Path]] = {}
    origins: list[str] = []
    for run in runs:
        run_id, trained_on = known.get(run, (None, ""))
        files[run] = _files(workspace.features, view.name, run, run_id)
        is_current = run_id is not None and is_covered(workspace.features, run, run_id, trained_on, current)
        covered = quote(run_id) if is_current else "NULL"
        origins += [f"({quote(str(file))}, {quote(run)}, {covered})" for file in files[run]]
    # Runs of one view may have vectors of different lengths (other encoders); only equal ones get a fixed type.
    lengths = {_length(mine[0]) for mine in files.values() if view.is_vector}
    for statement in view.table_sql(f"FLOAT[{lengths.pop()}]" if len(lengths) == 1 else "FLOAT[]"):
        connection.execute(statement).fetchall()
    if origins:
        every = [str(file) for mine in files.values() for file in mine]
        connection.execute(
            f"INSERT INTO features.{view.name} BY NAME {_SELECT.replace('{origins}', ', '.join(origins))}",
            [every, view.modality],
        ).fetchall()


def _files(folder: Path, view: str, run: str, run_id: str | None) -> list[Path]:
    """Files that hold a run's rows of a view: the stage's own, then those materialized later."""
    later = list_materializations(folder, run, run_id) if run_id else []
    extra = [one.folder / f"{view}.parquet" for one in later]
    return [folder / view / f"{run}.parquet", *(file for file in extra if file.is_file())]


def _length(file: Path) -> int:
    kind = pq.read_schema(file).field("vector").type
    return int(kind.list_size) if pa.types.is_fixed_size_list(kind) else 0


def _register_views(connection: duckdb.DuckDBPyConnection) -> None:
    views, fields = [], []
    for view in declared_views().values():
        names = ("description", "entity", "modality", "stage", "owner", "default_run", "is_cache")
        views.append(
            {"feature_view": view.name, "key_field": view.key, **{name: getattr(view, name) for name in names}}
        )
        for column in view.columns:
            fields.append(
                {
                    "feature_view": view.name,
                    "field": column.name,
                    "dimension": _dimension(connection, view) if column.type == "vector" else None,
                    **{name: getattr(column, name) for name in ("type", "unit", "description")},
                }
            )
    definitions = [{"definition": name, **content} for name, content in label_definitions().items()]
    for table, rows in {"feature_views": views, "feature_fields": fields, "label_definitions": definitions}.items():
        database.create_tables(connection, [table])
        database.fill_table(connection, table, pa.Table.from_pylist(rows))


def _dimension(connection: duckdb.DuckDBPyConnection, view: FeatureView) -> int | None:
    query = f"SELECT DISTINCT len(vector) FROM features.{view.name} LIMIT 2"
    found = connection.execute(query).fetchall()
    return int(found[0][0]) if len(found) == 1 else None


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    for view in computed_views():
        _create_latest(connection, view)
    for view in source_views():
        for statement in view.view_sql():
            connection.execute(statement).fetchall()
    keys = 'run, run_id, eid, instance, "split", data_version, array_row, state'
    selects = "\n    UNION ALL ".join(
        f"SELECT {'DISTINCT ' if view.key else ''}'{view.name}' AS feature_view, '{view.modality}' AS modality, {keys} "
        f"FROM features.{view.name}"
        for view in computed_views()
    )
    connection.execute(database.schema_sql("views", "feature_rows").replace("{views}", selects)).fetchall()
    arrays = " ".join(f"WHEN '{one.kind}' THEN 'data/{one.model_array}'" for one in MODALITIES)
    connection.execute(database.schema_sql("views", "lineage").replace("{arrays}", arrays)).fetchall()
    for name in ("coverage", "prediction_scores", "nearest", "retrieval"):
        connection.execute(database.schema_sql("views", name)).fetchall()
    _create_wide(connection, "traits_wide", "as measured")
    _create_wide(connection, "trait_prediction_wide", "predicted from the ECG")


def _create_latest(connection: duckdb.DuckDBPyConnection, view: FeatureView) -> None:
    """Create the view of a feature view's current rows, with the comments of its columns."""
    name = f"features.{view.name}_latest"
    run = quote(view.run_of("\0") or "").replace("\0", f"' || {view.key} || '")
    connection.execute(
        f"CREATE VIEW {name} AS SELECT * FROM features.{view.name} WHERE state = 'current' AND run = {run}"
    ).fetchall()
    rows = f"one row per visit and {view.key}" if view.key else "one row per visit"
    comment = f"Current rows of features.{view.name}, of its default run: {rows}. {view.description}"
    connection.execute(f"COMMENT ON VIEW {name} IS {quote(comment)}").fetchall()
    comments = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'features' AND table_name = ?",
        [view.name],
    ).fetchall()
    for column, text in comments:
        connection.execute(f'COMMENT ON COLUMN {name}."{column}" IS {quote(text)}').fetchall()


def _create_wide(connection: duckdb.DuckDBPyConnection, name: str, origin: str) -> None:
    traits = connection.execute(
        "SELECT field_id, short_name, title, units FROM fields WHERE trait_index IS NOT NULL ORDER BY trait_index"
    ).fetchall()
    if not traits:
        return
    columns = ",\n    ".join(f'max("value") FILTER (field_id = {field}) AS "{short}"' for field, short, _, _ in traits)
    connection.execute(database.schema_sql("views", name).replace("{columns}", columns)).fetchall()
    view = name if name == "traits_wide" else f"features.{name}"
    for field, short, title, units in traits:
        text = f"{title}, {origin} ({units or 'no unit'}; field {field})"
        connection.execute(f'COMMENT ON COLUMN {view}."{short}" IS {quote(text)}').fetchall()
