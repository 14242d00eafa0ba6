"""What changed between two releases: participants, records, labels and features, as counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from eccl.data.database import memory
from eccl.features.views import computed_views, quote
from eccl.modalities import SLOT_TABLES

_KEYS = {
    "participants": ("eid",),
    "visits": ("eid", "instance"),
    **dict.fromkeys(SLOT_TABLES, ("eid", "instance")),
    "traits": ("eid", "instance", "field_id"),
    "diagnoses": ("eid", "source", "field_id", "instance", "array_index"),
    "labels": ("eid", "instance", "code", "definition"),
    "splits": ("eid",),
    "pairs": ("eid", "instance"),
    "quarantine": ("kind", "path", "reason"),
}
_IGNORED = {"state", "data_version", "run_id"}
"""Columns of feature rows that describe the computation, not the value."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one table in the older and the newer release; of one run, where the table is a feature view."""

    table: str
    run: str | None
    before: int
    after: int
    added: int
    removed: int
    changed: int


def diff_releases(older: Path, newer: Path) -> list[Change]:
    """Compare two published files.

    Returns
    -------
    list of Change
        One per table, and per run for feature views; without tables that one release lacks.
    """
    views = {
        f"features.{view.name}": ("eid", "instance", *([view.key] if view.key else [])) for view in computed_views()
    }
    with memory() as connection:
        for name, path in (("a", older), ("b", newer)):
            connection.execute(f"ATTACH {quote(str(path))} AS {name} (READ_ONLY)").fetchall()
        found = [_compare(connection, table, keys) for table, keys in (_KEYS | views).items()]
        return [change for changes in found for change in changes]


def _compare(connection: duckdb.DuckDBPyConnection, table: str, keys: tuple[str, ...]) -> list[Change]:
    is_view = "." in table
    columns = [column for column in _shared_columns(connection, table) if not (is_view and column in _IGNORED)]
    if not set(keys) <= set(columns):
        return []
    conditions: dict[str | None, str] = {None: "true"}
    if is_view:
        runs = connection.execute(f"SELECT run FROM a.{table} UNION SELECT run FROM b.{table} ORDER BY run").fetchall()
        conditions = {run: f"run = {quote(run)} AND state <> 'superseded'" for (run,) in runs}
    values = [column for column in columns if column not in keys]
    return [
        Change(table, run, *connection.execute(_sql(table, keys, values, where)).fetchall()[0])
        for run, where in conditions.items()
    ]


def _shared_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    schema, _, name = table.rpartition(".")
    rows = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name IN ('a', 'b') AND schema_name = ? AND table_name = ? "
        "GROUP BY column_name HAVING count(*) = 2 ORDER BY min(column_index)",
        [schema or "main", name],
    ).fetchall()
    return [str(row[0]) for row in rows]


def _sql(table: str, keys: tuple[str, ...], values: list[str], where: str) -> str:
    key = ", ".join(f'"{name}"' for name in keys)
    schema = table if "." in table else f"main.{table}"
    listed = ", ".join(f'"{name}"' for name in values)
    mark = f"hash({listed})" if values else "0"
    side = "SELECT {key}, {mark} AS mark FROM {database}.{schema} WHERE {where}"
    old, new = (side.format(key=key, mark=mark, database=name, schema=schema, where=where) for name in ("a", "b"))
    same = " AND ".join(f'o."{name}" IS NOT DISTINCT FROM n."{name}"' for name in keys)
    return (
        f"SELECT count(o.mark), count(n.mark), count(*) FILTER (o.mark IS NULL), count(*) FILTER (n.mark IS NULL), "
        f"count(*) FILTER (o.mark <> n.mark) FROM ({old}) o FULL JOIN ({new}) n ON {same}"
    )
