"""The one place that opens DuckDB.

Library code queries an in-memory connection over the Parquet parts (:func:`connect_data`); analysts open the published
file, read-only (:mod:`eccl.features.store`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa

from eccl.data.files import replace_file
from eccl.data.parts import RENAMED_COLUMNS, parquet_bytes, read_table, table_files
from eccl.errors import SchemaError
from eccl.modalities import SLOT_TABLES
from eccl.workspace import Workspace, shipped

COHORT_TABLES = (
    *SLOT_TABLES,
    "quarantine",
    "participants",
    "visits",
    "traits",
    "fields",
    "diagnoses",
    "splits",
    "labels",
    "pairs",
    "exclusions",
    "deletions",
)
"""Tables under data/, in the order in which they can be filled."""

SORT_KEYS = {
    **dict.fromkeys(SLOT_TABLES, ("row",)),
    "quarantine": ("kind", "path", "reason", "detail"),
    "participants": ("eid",),
    "visits": ("eid", "instance"),
    "traits": ("eid", "instance", "field_id"),
    "fields": ("field_id",),
    "diagnoses": ("eid", "source", "field_id", "instance", "array_index", "code"),
    "splits": ("eid",),
    "labels": ("eid", "instance", "code", "definition"),
    "pairs": ("eid", "instance"),
    "exclusions": ("eid", "instance", "reason"),
    "deletions": ("modality", "row"),
}


def schema_sql(*names: str) -> str:
    """Text of one file below schemas/, e.g. ``schema_sql("tables", "pairs")``."""
    return shipped("schemas").joinpath(*names).with_suffix(".sql").read_text()


def memory() -> duckdb.DuckDBPyConnection:
    """Open an empty in-memory database that preserves the order of rows."""
    return duckdb.connect(":memory:", config={"preserve_insertion_order": "true"})


def open_file(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published file, read-only."""
    return duckdb.connect(str(path), read_only=True)


def create_tables(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Run the DDL of tables, comments included."""
    for table in tables:
        connection.execute(schema_sql("tables", table)).fetchall()


def fill_table(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Insert rows into a table whose DDL has run; columns are matched by name and cast to the schema's types.

    Raises
    ------
    SchemaError
        A column is missing, unknown or of a type that does not fit.
    """
    connection.register("incoming", rows)
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming").fetchall()
    except (duckdb.BinderException, duckdb.ConversionException, duckdb.ConstraintException) as error:
        # DuckDB's message may quote a value, and a value may be an id: only its kind is passed on.
        known = {row[0] for row in connection.execute(f"SELECT column_name FROM (DESCRIBE {table})").fetchall()}
        raise SchemaError(
            f"table {table} does not fit schemas/tables/{table}.sql ({type(error).__name__}; unknown columns: "
            f"{sorted(set(rows.column_names) - known) or 'none'}, missing: {sorted(known - set(rows.column_names)) or 'none'}); "
            "check keys, nulls and types, then ingest again"
        ) from None
    finally:
        connection.unregister("incoming")


def conform(table: str, rows: pa.Table) -> pa.Table:
    """Cast rows to a table's schema and sort them by its key.

    Returns
    -------
    pyarrow.Table
        Exactly the columns of ``schemas/tables/<table>.sql``, in its order and types.
    """
    order = ", ".join(f'"{key}"' for key in SORT_KEYS[table])
    with memory() as connection:
        create_tables(connection, [table])
        fill_table(connection, table, rows)
        return connection.sql(f"SELECT * FROM {table} ORDER BY {order}").to_arrow_table()


def empty_table(table: str) -> pa.Table:
    """Table with the schema's columns and no rows."""
    with memory() as connection:
        create_tables(connection, [table])
        return connection.sql(f"SELECT * FROM {table}").to_arrow_table()


def write_table(data: Path, table: str, rows: pa.Table) -> bool:
    """Write one whole table of data/tables in its schema; return whether its bytes changed."""
    return write_if_changed(conform(table, rows), data / "tables" / f"{table}.parquet")


def write_if_changed(rows: pa.Table, path: Path) -> bool:
    """Write a Parquet file if its content differs from the existing file; return whether it was written."""
    return replace_file(path, parquet_bytes(rows))


def with_present_names(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Rename the columns of older files, where files of both versions were read as one by name."""
    for old, new in RENAMED_COLUMNS.items():
        if old in relation.columns and new in relation.columns:
            relation = relation.project(f"* EXCLUDE ({old}) REPLACE (coalesce({new}, {old}) AS {new})")
        elif old in relation.columns:
            relation = relation.project(f"* RENAME ({old} AS {new})")
    return relation


def connect_data(workspace: Workspace, tables: Iterable[str] = COHORT_TABLES) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with the cohort's tables, in their schemas.

    A table without a file is empty. The caller closes the connection.
    """
    connection = memory()
    create_tables(connection, tables)
    for table in tables:
        if table_files(workspace.data, table):
            fill_table(connection, table, read_table(workspace.data, table))
    return connection
