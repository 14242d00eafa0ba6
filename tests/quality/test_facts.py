"""A fact whose table lacks a column cannot be computed: it must never bind to another table's column and return 0."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import duckdb

from eccl.quality.frames import facts, read_limits, set_variables
from eccl.workspace import Workspace, shipped


def _can_be_bound(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    try:
        connection.execute(f"EXPLAIN {query}").fetchall()
    except (duckdb.BinderException, duckdb.CatalogException):
        return False
    return True


def test_no_fact_is_computed_without_a_column_it_names(cohort: ModuleType, tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA whole").fetchall()
    set_variables(connection, read_limits(Workspace(tmp_path)))
    columns: dict[str, list[str]] = {}
    for table in cohort.table_names():
        ddl = (shipped("schemas") / "tables" / f"{table}.sql").read_text()
        connection.execute("USE whole").fetchall()
        connection.execute(ddl).fetchall()
        connection.execute("USE main").fetchall()
        columns[table] = [row[0] for row in connection.execute(f"DESCRIBE whole.{table}").fetchall()]
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM whole.{table}").fetchall()
    assert all(_can_be_bound(connection, query) for query in facts().values())
    wrong = []
    for table, names in columns.items():
        for column in names:
            view = f"CREATE OR REPLACE VIEW {table} AS SELECT * EXCLUDE"
            connection.execute(f'{view} ("{column}") FROM whole.{table}').fetchall()
            wrong += [
                (fact, table, column)
                for fact, query in facts().items()
                if re.search(rf"\b{table}\b", query)
                and re.search(rf"\b{column}\b", query)
                and _can_be_bound(connection, query)
            ]
        connection.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM whole.{table}").fetchall()
    connection.close()
    assert wrong == []
