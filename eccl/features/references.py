"""References to features as analysts write them: ``view``, ``view:field``, ``view@run``, ``view:key.field@run``.

They are resolved with the contents of a store, which are cached, because a store does not change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import duckdb

from eccl.errors import FeatureError
from eccl.features.views import Column, FeatureView, declared_view, label_definitions, quote

_FORM = re.compile(r"(?P<view>\w+)(?::(?P<field>[\w.%()/-]+))?(?:@(?P<run>[\w-]+))?")
_ARRAY = re.compile(r"FLOAT\[(\d+)\]")
KeysOf = Callable[[FeatureView], dict[str, str]]
"""Keys of a view in a store: name as analysts write it -> SQL literal."""


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One column of a result.

    Parameters
    ----------
    name
        Name in the result.
    key
        SQL literal of the key's value; None for views without a key.
    """

    name: str
    view: FeatureView
    column: Column
    run: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A label reference: ``I50:prevalent``."""

    name: str
    code: str
    definition: str

    def join_to(self, rows: str, alias: str) -> str:
        """SQL that joins the label's ``value`` to rows of visits."""
        return (
            'LEFT JOIN (SELECT eid, instance, any_value("value") AS "value" FROM labels '
            f"WHERE code = {quote(self.code)} AND definition = {quote(self.definition)} GROUP BY ALL) {alias} "
            f"ON {rows}.eid = {alias}.eid AND {rows}.instance = {alias}.instance"
        )


class Catalog:
    """Contents of a store by feature view, each queried once.

    Parameters
    ----------
    keys
        Keys that a view has: name as analysts write it -> SQL literal.
    runs
        Runs that a computed view has rows of, each with its number of stale rows and a data version of these.
    vector_length
        Length of a view's vectors; 0 where it has none or its runs differ.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.keys: KeysOf = cache(self._keys)
        self.runs: Callable[[FeatureView], dict[str, tuple[int, str | None]]] = cache(self._runs)
        self.vector_length: Callable[[FeatureView], int] = cache(self._vector_length)

    @cached_property
    def codes(self) -> list[str]:
        """ICD-10 blocks that have labels."""
        rows = self._connection.execute("SELECT DISTINCT code FROM labels ORDER BY code").fetchall()
        return [code for (code,) in rows]

    def _keys(self, view: FeatureView) -> dict[str, str]:
        if view.key == "field_id":
            rows = self._connection.execute(
                "SELECT short_name, field_id FROM fields WHERE trait_index IS NOT NULL AND field_id IN "
                f"(SELECT field_id FROM features.{view.name}) ORDER BY trait_index"
            ).fetchall()
            return {name: str(field) for name, field in rows}
        rows = self._connection.execute(f"SELECT DISTINCT {view.key} FROM features.{view.name} ORDER BY 1").fetchall()
        return {str(key): quote(key) if isinstance(key, str) else str(key) for (key,) in rows}

    def _runs(self, view: FeatureView) -> dict[str, tuple[int, str | None]]:
        rows = self._connection.execute(
            "SELECT run, count(*) FILTER (state = 'stale'), any_value(data_version) FILTER (state = 'stale') "
            f"FROM features.{view.name} GROUP BY run ORDER BY run"
        ).fetchall()
        return {run: (stale, version) for run, stale, version in rows}

    def _vector_length(self, view: FeatureView) -> int:
        query = "SELECT data_type FROM duckdb_columns() WHERE schema_name = 'features' AND table_name = ? AND column_name = 'vector'"
        found = self._connection.execute(query, [view.name]).fetchall()
        match = _ARRAY.fullmatch(found[0][0]) if found else None
        return int(match[1]) if match else 0


def parse_feature(reference: str, keys_of: KeysOf) -> list[FeatureColumn]:
    """Resolve one reference to columns.

    Parameters
    ----------
    keys_of
        Returns the keys of a view in the store.

    Raises
    ------
    FeatureError
        The reference has another form, or names an unknown view, field or key.
    """
    match = _FORM.fullmatch(reference.strip())
    if match is None:
        raise FeatureError(
            f"{reference!r} is not a feature reference; write view, view:field, view@run or view:field@run"
        )
    view = declared_view(match["view"])
    if match["run"] and view.source is not None:
        raise FeatureError(
            f"{view.name} is a view over the cohort's tables and has no run; write {view.name} without @"
        )
    if view.key is None:
        fields = view.fields if not match["field"] else (_field(view, match["field"]),)
        bare = len(fields) == 1 and not match["field"]
        names = {field: view.name if bare else f"{view.name}_{field.name}" for field in fields}
        at = f"@{match['run']}" if match["run"] else ""
        return [FeatureColumn(names[one] + at, view, one, match["run"] or view.default_run, None) for one in fields]
    return _keyed(view, match["field"], match["run"], keys_of(view))


def parse_label(reference: str, codes: Sequence[str]) -> LabelColumn:
    """Resolve ``code:definition``.

    Parameters
    ----------
    codes
        ICD-10 blocks that have labels in the store.

    Raises
    ------
    FeatureError
        The form, the definition or the code is unknown.
    """
    code, _, definition = reference.strip().partition(":")
    known = label_definitions()
    if definition not in known:
        raise FeatureError(
            f"{reference!r} is not a label; write the ICD-10 block and a definition, e.g. I50:prevalent (definitions: {', '.join(known)})"
        )
    if code not in codes:
        raise FeatureError(f"no labels of {code} in this store; it has labels of {', '.join(codes) or 'none'}")
    return LabelColumn(f"label_{code}_{definition}", code, definition)


def _keyed(view: FeatureView, wanted: str | None, run: str | None, keys: dict[str, str]) -> list[FeatureColumn]:
    name, _, field_name = (wanted or "").partition(".")
    column = _field(view, field_name or str(view.value))
    if name.isdigit():  # a field's number instead of its short name
        name = next((key for key, literal in keys.items() if literal == name), name)
    if name and name not in keys:
        raise FeatureError(f"{view.name} has no {view.key} {name} in this store; it has {_some(list(keys))}")
    if not name and view.entity == "participant":
        raise FeatureError(f"{view.name} needs a {view.key}, e.g. {view.name}:{next(iter(keys), 'I48')}")
    if not keys:
        raise FeatureError(
            f"{view.name} has no rows in this store yet; `eccl features list` lists the views that have rows"
        )
    at = f"@{run}" if run else ""
    extra = f"_{field_name}" if field_name else ""
    chosen = {name: keys[name]} if name else keys
    return [
        FeatureColumn(f"{view.name}_{key}{extra}{at}", view, column, run or view.run_of(literal.strip("'")), literal)
        for key, literal in chosen.items()
    ]


def _field(view: FeatureView, name: str) -> Column:
    for field in view.fields:
        if field.name == name:
            return field
    raise FeatureError(f"{view.name} has no field {name}; it has {', '.join(field.name for field in view.fields)}")


def _some(names: list[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more
