"""data/ + features/ -> eccl.duckdb: built aside, swapped in; analysts keep reading."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from eccl.store.publish import publish as publish_store
from eccl.workspace import find_workspace
from flows.console import say


@flow(name="publish")
def publish(workspace: Path) -> str:
    """Publish what the workspace holds now; returns the release's name."""
    published = publish_store(find_workspace(workspace))
    features = sum(count for table, count in published.rows.items() if table.startswith("features."))
    say(
        f"{'Published' if published.is_new else 'Nothing new since'} release {published.release.name}: "
        f"{sum(published.rows.values()) - features} rows in tables, {features} rows of features"
    )
    return published.release.name
