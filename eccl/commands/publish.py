"""``eccl publish``: tables and features into eccl.duckdb."""

from __future__ import annotations

import typer

from eccl.commands.options import WorkspaceOption


def publish(workspace: WorkspaceOption = None) -> None:
    """Build eccl.duckdb aside and swap it in.

    Example: eccl publish
    """
    from eccl.store.publish import publish as publish_store
    from eccl.workspace import find_workspace

    for table, rows in publish_store(find_workspace(workspace)).items():
        typer.echo(f"{rows:>9} {table}")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(publish)
