"""``eccl doctor``: machine and installation."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.workspace import find_workspace_if_any


def doctor(
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-j", min=1, help="Worker processes to estimate memory for; default is all processors."
        ),
    ] = None,
    torch: Annotated[bool, typer.Option("--torch", help="Import torch too; takes seconds.")] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Check packages, disk, memory, file limits, locks, GPU, repository, remote, server and keys.

    Exits with 1 if a problem was found. Outside a workspace it checks the installation only.

    Example: eccl doctor --workers 8
    """
    from dataclasses import asdict

    from eccl.operations.doctor import examine, is_fit

    checks = examine(find_workspace_if_any(workspace), workers=workers, import_torch=torch)
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            typer.echo(f"{check.state:<7}  {check.name:<{width}}  {check.found}")
            if check.remedy:
                typer.echo(f"{'':<{width + 11}}{check.remedy}")
    if not is_fit(checks):
        raise typer.Exit(1)
