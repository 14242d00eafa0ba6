"""data/ + features/ -> eccl.duckdb: built beside the current release, then swapped in; analysts keep reading."""

from __future__ import annotations

from eccl.publishing.publish import publish as publish_store
from eccl.workspace import find_workspace
from flows.support.artifacts import announce, show_release
from flows.support.define import define
from flows.support.parameters import Parameters


@define("publish", Parameters, hours=6)
def publish(parameters: Parameters) -> str:
    """Publish the workspace's tables and features; returns the release's name."""
    published = publish_store(find_workspace(parameters.workspace))
    features = sum(count for table, count in published.rows.items() if table.startswith("features."))
    announce(
        f"{'Published' if published.is_new else 'Nothing new since'} release {published.release.name}: "
        f"{sum(published.rows.values()) - features} rows in tables, {features} rows of features"
    )
    show_release(published.release.name, published.is_new, published.rows)
    return published.release.name
