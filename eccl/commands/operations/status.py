"""``eccl status``: the state of the workspace on one screen."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.modalities import SLOT_TABLES
from eccl.templates import render
from eccl.workspace import find_workspace


def status(
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the state of DVC stages and the remote; saves seconds.")
    ] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the state of the workspace on one screen, and the next command to type.

    Example: eccl status --quick
    """
    from eccl.operations.status import read_status

    found = read_status(find_workspace(workspace), quick=quick)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), default=str, indent=1))
        return
    main_tables = ("participants", "visits", *SLOT_TABLES)
    typer.echo(render("commands/operations/status.txt.jinja", found=found, main_tables=main_tables), nl=False)
