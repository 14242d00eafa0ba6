"""The features part of a store: tables of computed views, registry, views and macros over them.

Published are the features of the workspace's own runs. Those of experiments' arms stay in features/: at the paper's size
they are tens of gigabytes, and what they are for, scores and figures, is published as tables.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data import database
from eccl.data.parts import data_version
from eccl.data.run_records import is_of_experiment
from eccl.features import files as features
from eccl.features.materialized import is_covered, list_materializations
from eccl.features.views import (
    FeatureView,
    computed_views,
    declared_views,
    label_definitions,
    quote,
    source_views,
)
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
    """Make a view's table and fill it from the files of all own runs, in one statement, which reads them side by side."""
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
    for name in ("lineage", "coverage", "prediction_scores", "nearest", "retrieval"):
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
