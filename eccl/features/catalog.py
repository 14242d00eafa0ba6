"""Contents of a store by feature view: keys, runs, lengths of vectors; cached, because a store does not change."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from eccl.features.views import FeatureView, quote

_ARRAY = re.compile(r"FLOAT\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class RunRows:
    """Rows of one run in a view that are stale, and a data version they were computed on."""

    stale: int
    stale_version: str | None


class Catalog:
    """Cached queries on the feature views of a store."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._keys: dict[str, dict[str, str]] = {}
        self._runs: dict[str, dict[str, RunRows]] = {}
        self._lengths: dict[str, int] = {}
        self._codes: list[str] | None = None

    def keys(self, view: FeatureView) -> dict[str, str]:
        """Keys that a view has: name as analysts write it -> SQL literal."""
        if view.name not in self._keys:
            self._keys[view.name] = self._find_keys(view)
        return self._keys[view.name]

    def runs(self, view: FeatureView) -> dict[str, RunRows]:
        """Runs that a computed view has rows of."""
        if view.name not in self._runs:
            rows = self._connection.execute(
                "SELECT run, count(*) FILTER (state = 'stale'), any_value(data_version) FILTER (state = 'stale') "
                f"FROM features.{view.name} GROUP BY run ORDER BY run"
            ).fetchall()
            self._runs[view.name] = {run: RunRows(stale, version) for run, stale, version in rows}
        return self._runs[view.name]

    def vector_length(self, view: FeatureView) -> int:
        """Length of a view's vectors; 0 where it has none or its runs differ."""
        if view.name not in self._lengths:
            query = "SELECT data_type FROM duckdb_columns() WHERE schema_name = 'features' AND table_name = ? AND column_name = 'vector'"
            found = self._connection.execute(query, [view.name]).fetchall()
            match = _ARRAY.fullmatch(found[0][0]) if found else None
            self._lengths[view.name] = int(match[1]) if match else 0
        return self._lengths[view.name]

    def codes(self) -> list[str]:
        """ICD-10 blocks that have labels."""
        if self._codes is None:
            rows = self._connection.execute("SELECT DISTINCT code FROM labels ORDER BY code").fetchall()
            self._codes = [code for (code,) in rows]
        return self._codes

    def _find_keys(self, view: FeatureView) -> dict[str, str]:
        if view.key == "field_id":
            rows = self._connection.execute(
                "SELECT short_name, field_id FROM fields WHERE trait_index IS NOT NULL AND field_id IN "
                f"(SELECT field_id FROM features.{view.name}) ORDER BY trait_index"
            ).fetchall()
            return {name: str(field) for name, field in rows}
        rows = self._connection.execute(f"SELECT DISTINCT {view.key} FROM features.{view.name} ORDER BY 1").fetchall()
        return {str(key): quote(key) if isinstance(key, str) else str(key) for (key,) in rows}
