"""data/ + features/ -> eccl.duckdb: built aside, swapped in; analysts keep reading."""

from __future__ import annotations

from prefect import flow

from eccl.publishing.publish import publish as publish_store
from eccl.workspace import find_workspace
from flows.support.artifacts import show_release
from flows.support.console import say
from flows.support.hooks import HOOKS
from flows.support.parameters import WorkspacePath, described
from flows.support.policy import timeout_s
from flows.support.redaction import discreet


@flow(name="publish", timeout_seconds=timeout_s("publish"), **HOOKS)
@discreet
@described
def publish(workspace: WorkspacePath) -> str:
    """Publish what the workspace holds now; returns the release's name."""
    published = publish_store(find_workspace(workspace))
    features = sum(count for table, count in published.rows.items() if table.startswith("features."))
    say(
        f"{'Published' if published.is_new else 'Nothing new since'} release {published.release.name}: "
        f"{sum(published.rows.values()) - features} rows in tables, {features} rows of features"
    )
    show_release(published.release.name, published.is_new, published.rows)
    return published.release.name
