"""The tables as the gate sees them: every committed row, without the constraints that would refuse a broken one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from eccl.data.parts import table_files
from eccl.errors import ChecksumError, SchemaError
from eccl.quality.results import CRITICAL, ValidationRow
from eccl.workspace import Workspace

if TYPE_CHECKING:
    import duckdb


def open_tables(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with one view per cohort table, straight over its Parquet files.

    `eccl.data.database.connect_data` fills tables with keys and NOT NULL, and refuses what breaks them; the gate's
    task is to say what is broken, so it reads the files as they are, superseded rows included. A table without a file
    is there, empty. The caller closes the connection.
    """
    from eccl.data.database import COHORT_TABLES, create_tables, memory

    connection = memory()
    for table in COHORT_TABLES:
        files = [file.as_posix() for file in table_files(workspace.data, table)]
        if files:
            source = connection.read_parquet(files, union_by_name=True)
            source.create_view(table)
        else:
            create_tables(connection, [table])
    return connection


def check_schemas(workspace: Workspace) -> list[ValidationRow]:
    """Check that every table fits its DDL: columns, types, keys, NOT NULL. One row per table."""
    from eccl.data.database import COHORT_TABLES

    return [_check_schema(workspace, table) for table in COHORT_TABLES]


def _check_schema(workspace: Workspace, table: str) -> ValidationRow:
    from eccl.data.database import connect_data

    problem = None
    try:
        connect_data(workspace, [table]).close()
    except SchemaError as error:
        problem = str(error)
    except (OSError, ChecksumError, pa.ArrowInvalid):
        problem = "the table's parts differ in columns or types, or one is not Parquet; ingest them again"
    return ValidationRow(
        suite="schemas",
        table_name=table,
        expectation="expect_table_to_fit_schema",
        column_name=None,
        severity=CRITICAL,
        success=problem is None,
        element_count=None,
        unexpected_count=None,
        observed=problem,
        expected="{}",
        note=f"The table fits schemas/tables/{table}.sql: columns, types, key, NOT NULL.",
    )
