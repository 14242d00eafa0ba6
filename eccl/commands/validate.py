"""``eccl validate``: the gate."""

from __future__ import annotations

import typer

from eccl.commands.options import WorkspaceOption


def validate(workspace: WorkspaceOption = None) -> None:
    """Run the gate as a DVC stage; exit with 1 where it is red.

    Example: eccl validate
    """
    from eccl.commands.flow import run_flow
    from eccl.workspace import find_workspace

    run_flow("validate", find_workspace(workspace))


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(validate)
