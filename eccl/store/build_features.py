"""The features part of a store: tables of computed views, registry, views and macros over them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.store import database, features
from eccl.store.feature_views import (
    FeatureView,
    computed_views,
    declared_views,
    label_definitions,
    quote,
    source_views,
)
from eccl.store.materialized import is_covered, list_materializations
from eccl.store.parts import data_version
from eccl.workspace import Workspace


def fill_features(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Add the features to a store whose other tables are filled."""
    connection.execute("CREATE SCHEMA features").fetchall()
    # Vectors are noise to a compressor: stored as they are, a search reads them twice as fast.
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
    runs = features.runs_of(workspace.features, view.name)
    files = {run: feature_files(connection, workspace.features, view.name, run) for run in runs}
    # Runs of one view may have vectors of different lengths (other encoders); only equal ones get a fixed type.
    lengths = {_length(file) for mine in files.values() for file in mine[:1] if view.is_vector}
    for statement in view.table_sql(f"FLOAT[{lengths.pop()}]" if len(lengths) == 1 else "FLOAT[]"):
        connection.execute(statement).fetchall()
    current = data_version(workspace.data) if runs else ""
    for run, mine in files.items():
        _insert(connection, view, run, mine, _covered_run_id(connection, workspace.features, run, current))


def feature_files(connection: duckdb.DuckDBPyConnection, folder: Path, view: str, run: str) -> list[Path]:
    """Files that hold a run's rows of a view: the stage's own, then those materialized later."""
    found = connection.execute("SELECT run_id FROM runs WHERE run = ?", [run]).fetchall()
    later = list_materializations(folder, run, found[0][0]) if found else []
    extra = [one.folder / f"{view}.parquet" for one in later]
    return [folder / view / f"{run}.parquet", *(file for file in extra if file.is_file())]


def _covered_run_id(connection: duckdb.DuckDBPyConnection, folder: Path, run: str, current: str) -> str | None:
    """Run id whose rows hold for the current data; None where the run was not brought up to it."""
    found = connection.execute("SELECT run_id, data_version FROM runs WHERE run = ?", [run]).fetchall()
    if not found or not is_covered(folder, run, found[0][0], found[0][1], current):
        return None
    return str(found[0][0])


def _insert(
    connection: duckdb.DuckDBPyConnection, view: FeatureView, run: str, files: list[Path], covered: str | None
) -> None:
    state = (
        "'stale'"
        if covered is None
        else f"CASE WHEN f.run_id <> {quote(covered)} THEN 'stale' WHEN s.is_current THEN 'current' ELSE 'superseded' END"
    )
    connection.execute(
        f"INSERT INTO features.{view.name} BY NAME SELECT f.*, ? AS run, {state} AS state FROM read_parquet(?) f "
        'LEFT JOIN slots s ON s.modality = ? AND s."row" = f.array_row AND s.eid = f.eid AND s.instance = f.instance '
        "WHERE f.eid IN (SELECT eid FROM participants)",
        [run, [str(file) for file in files], view.modality],
    ).fetchall()


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
    for name in ("lineage", "coverage", "prediction_scores", "nearest"):
        connection.execute(database.schema_sql("views", name)).fetchall()
    _create_wide(connection, "traits_wide", "as measured")
    _create_wide(connection, "trait_prediction_wide", "predicted from the ECG")


def _create_latest(connection: duckdb.DuckDBPyConnection, view: FeatureView) -> None:
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
