"""One visit's lineage: from its features down to the raw files, and what became of links that a withdrawal cut."""

from __future__ import annotations

from typing import Any

import duckdb

_QUERY = (
    'SELECT * FROM lineage WHERE eid = ? AND (instance = ? OR ? IS NULL) ORDER BY instance, "array", feature_view, run'
)


def trace(connection: duckdb.DuckDBPyConnection, eid: int, instance: int | None) -> list[dict[str, Any]]:
    """Lineage of every feature row of a visit, or of all visits of a participant."""
    relation = connection.sql(_QUERY, params=[eid, instance, instance])
    return list(relation.to_arrow_table().to_pylist())
