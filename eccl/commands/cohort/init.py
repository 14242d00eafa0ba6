"""``eccl init``: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(folder: Annotated[Path, typer.Argument(help="Folder to make; it must be empty or not exist.")]) -> None:
    """Make a workspace: params.yaml, dvc.yaml, a git and a DVC repository.

    Example: eccl init study
    """
    from eccl.versioning.initialise import init_workspace

    workspace = init_workspace(folder)
    typer.echo(f"Workspace at {workspace.root}. Next: cd {folder} && eccl ingest RAW")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(init)
