"""``eccl versions``: the versions of data/."""

from __future__ import annotations

import typer

from eccl.commands.options import JsonOption, WorkspaceOption


def versions(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List the recorded versions of data/, newest first, with the command that brings each back.

    Example: eccl versions
    """
    from eccl.store.versions import list_versions, to_json
    from eccl.workspace import find_workspace

    found = list_versions(find_workspace(workspace))
    if as_json:
        typer.echo(to_json(found))
        return
    if not found:
        typer.echo("No version yet: run `eccl ingest RAW --record`.")
    for version in found:
        date = f"{version.recorded_at:%Y-%m-%d %H:%M}" if version.recorded_at else "not recorded    "
        typer.echo(
            f"{'*' if version.is_current else ' '} {version.data_version}  {date}  {version.participants} participants, "
            f"{version.recordings} ECGs, {version.cines} cines, {version.quarantined} in quarantine"
        )
        typer.echo(f"    {version.command}")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(versions)
