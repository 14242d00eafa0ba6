"""The joins behind point-in-time features: one per requested view, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eccl.features.references import Catalog, FeatureColumn
from eccl.features.views import FeatureView, quote


@dataclass(frozen=True, slots=True)
class Group:
    """One join: columns of one view (and of one key, for events).

    Parameters
    ----------
    alias
        Name of the join in the query.
    source
        SELECT with the join's keys, ``known_on`` where rows are dated, ``state``, ``data_version`` and the columns.
    is_dated
        Joined by date instead of by visit.
    lengths
        Length of every vector that is joined as a list and cast back to an array; 0 for other columns.
    """

    alias: str
    view: FeatureView
    columns: tuple[FeatureColumn, ...]
    source: str
    is_dated: bool
    lengths: tuple[int, ...]

    def join(self) -> str:
        """SQL of the join."""
        if self.is_dated:
            return f"ASOF LEFT JOIN ({self.source}) {self.alias} ON e.eid = {self.alias}.eid AND e.__at >= {self.alias}.known_on"
        return (
            f"LEFT JOIN ({self.source}) {self.alias} ON e.eid = {self.alias}.eid AND e.instance = {self.alias}.instance"
        )

    def outputs(self, max_age_days: int | None) -> dict[str, str]:
        """SQL of every output column by name."""
        named = {
            column.name: f"{self.alias}.c{number}" + (f"::FLOAT[{length}]" if length else "")
            for number, (column, length) in enumerate(zip(self.columns, self.lengths, strict=True))
        }
        if not self.is_dated:
            return named
        named[f"{self.name}_known_on"] = f"{self.alias}.known_on"
        if max_age_days is None:
            return named
        fresh = f"date_diff('day', {self.alias}.known_on, e.__at) <= {max_age_days}"
        return {name: f"CASE WHEN {fresh} THEN {sql} END" for name, sql in named.items()}

    @property
    def name(self) -> str:
        """Name of the group in a result."""
        at = self.columns[0].name.partition("@")[2]
        return self.columns[0].name if len(self.columns) == 1 else self.view.name + (f"@{at}" if at else "")


def group_columns(
    catalog: Catalog, columns: Sequence[FeatureColumn], *, at_visit: bool, include_stale: bool
) -> list[Group]:
    """One group per view and run; where dates decide, one per key too, for each has a latest value of its own.

    Parameters
    ----------
    at_visit
        Join rows of the entity's own visit only; otherwise the latest one known.
    include_stale
        Include rows of runs that do not cover the data version of the store.
    """

    def place(column: FeatureColumn) -> tuple[Any, ...]:
        is_dated = column.view.time is not None or not at_visit
        at = column.name.partition("@")[2]
        return (column.view.name, at, column.run, column.key if is_dated else None)

    found: dict[tuple[Any, ...], list[FeatureColumn]] = {}
    for column in columns:
        found.setdefault(place(column), []).append(column)
    # DuckDB 2.0 fails on the nulls of two fixed-size arrays in one chain of outer joins: several are joined as lists.
    has_lists = sum(column.column.type == "vector" for column in columns) > 1
    groups = []
    for number, mine in enumerate(found.values()):
        view = mine[0].view
        is_dated = view.time is not None or not at_visit
        lengths = tuple(
            catalog.vector_length(view) if has_lists and column.column.type == "vector" else 0 for column in mine
        )
        source = _event_source(mine[0]) if view.time else _visit_source(view, mine, lengths, is_dated, include_stale)
        groups.append(Group(f"g{number}", view, tuple(mine), source, is_dated, lengths))
    return groups


def _event_source(column: FeatureColumn) -> str:
    """SELECT of dated events of one key."""
    view = column.view
    dated = f'"{view.time}" AS known_on, "{column.column.name}" AS c0, NULL AS data_version'
    return f"SELECT eid, {dated} FROM features.{view.name} WHERE {_is_key(column)}"


def _visit_source(
    view: FeatureView, columns: Sequence[FeatureColumn], lengths: Sequence[int], is_dated: bool, include_stale: bool
) -> str:
    """SELECT of one row per visit."""
    rows = _rows(view, columns, include_stale)
    marks = ["data_version", "state"] if view.source is None else []
    values = [
        f'"{column.column.name}"{"::FLOAT[]" if length else ""}'
        for column, length in zip(columns, lengths, strict=True)
    ]
    is_pivot = len({column.key for column in columns}) > 1
    if is_pivot:
        values = [
            f"any_value({value}) FILTER ({_is_key(column)})" for value, column in zip(values, columns, strict=True)
        ]
        marks = [f"any_value({mark}) AS {mark}" for mark in marks]
    named = [f"{value} AS c{number}" for number, value in enumerate(values)]
    found = f"SELECT eid, instance, {', '.join(named + marks)} FROM ({rows})" + (
        " GROUP BY eid, instance" if is_pivot else ""
    )
    if view.source is not None:
        found = f"SELECT *, NULL AS data_version FROM ({found})"
    if not is_dated:
        return found
    return f"SELECT r.*, v.visit_date AS known_on FROM ({found}) r JOIN visits v USING (eid, instance) WHERE v.visit_date IS NOT NULL"


def _rows(view: FeatureView, columns: Sequence[FeatureColumn], include_stale: bool) -> str:
    conditions = []
    if view.key:
        conditions.append(f"{view.key} IN ({', '.join(sorted({str(column.key) for column in columns}))})")
    newest = ""
    if view.source is None:
        conditions.append(f"run IN ({', '.join(sorted({quote(str(column.run)) for column in columns}))})")
        conditions.append("state <> 'superseded'" if include_stale else "state = 'current'")
        if include_stale:
            # Of several stale rows of a visit the one of the newest slot counts; current ones are unique already.
            partition = ", ".join(["eid", "instance", "run", *([view.key] if view.key else [])])
            newest = f" QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY array_row DESC) = 1"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT * FROM features.{view.name}{where}{newest}"


def _is_key(column: FeatureColumn) -> str:
    run = f" AND run = {quote(str(column.run))}" if column.run else ""
    return f'"{column.view.key}" = {column.key}{run}'
