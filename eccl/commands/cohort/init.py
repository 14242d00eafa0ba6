"""``eccl init``: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eccl.commands.options import DryRunOption


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must be empty or not exist.")],
    dry_run: DryRunOption = False,
) -> None:
    """Create a workspace: params.yaml, dvc.yaml, a git and a DVC repository.

    Example: eccl init study
    """
    from eccl.versioning.initialise import check_new_folder, init_workspace

    if dry_run:
        check_new_folder(folder)
        typer.echo(f"A workspace would be created at {folder.resolve()}. Nothing was written.")
        return
    workspace = init_workspace(folder)
    typer.echo(f"Workspace at {workspace.root}. Next: cd {folder} && eccl ingest RAW")
