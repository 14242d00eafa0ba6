"""``eccl versions``: the versions of data/ and the releases of the published store."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.templates import render
from eccl.workspace import find_workspace


def versions(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List the recorded data versions with the command that restores each, and the releases of the store.

    Example: eccl versions
    """
    from eccl.ledger.releases import read_ledger
    from eccl.versioning.versions import list_versions

    place = find_workspace(workspace)
    found, ledger = list_versions(place), read_ledger(place)
    if as_json:
        data = [version.to_row() | {"command": version.command} for version in found]
        releases = [asdict(one) | {"aliases": ledger.aliases_of(one.name)} for one in ledger.releases]
        typer.echo(json.dumps({"data": data, "releases": releases}, default=str, indent=2))
        return
    typer.echo(render("commands/store/versions.txt.jinja", versions=found, ledger=ledger), nl=False)
