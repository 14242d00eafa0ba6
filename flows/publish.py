"""data/ + features/ -> eccl.duckdb: built aside, swapped in; analysts keep reading."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from eccl.store.publish import publish as publish_store
from eccl.workspace import find_workspace
from flows.console import say


@flow(name="publish")
def publish(workspace: Path) -> dict[str, int]:
    """Publish what the workspace holds now."""
    rows = publish_store(find_workspace(workspace))
    features = sum(count for table, count in rows.items() if table.startswith("features."))
    say(f"Published eccl.duckdb: {sum(rows.values()) - features} rows in tables, {features} rows of features")
    return rows
