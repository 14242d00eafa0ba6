"""``eccl versions``: the versions of data/ and the releases of the published store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.workspace import find_workspace

if TYPE_CHECKING:
    from eccl.ledger.releases import Ledger
    from eccl.versioning.versions import DataVersion


def versions(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List the recorded data versions with the command that restores each, and the releases of the store.

    Example: eccl versions
    """
    from dataclasses import asdict

    from eccl.ledger.releases import read_ledger
    from eccl.versioning.versions import list_versions

    place = find_workspace(workspace)
    found, ledger = list_versions(place), read_ledger(place)
    if as_json:
        data = [version.to_row() | {"command": version.command} for version in found]
        releases = [asdict(one) | {"aliases": ledger.aliases_of(one.name)} for one in ledger.releases]
        typer.echo(json.dumps({"data": data, "releases": releases}, default=str, indent=2))
        return
    _print_data(found)
    _print_releases(ledger)


def _print_data(found: list[DataVersion]) -> None:
    typer.echo("Data" if found else "No data version yet: run `eccl ingest RAW --record`.")
    for version in found:
        date = f"{version.recorded_at:%Y-%m-%d %H:%M}" if version.recorded_at else "not recorded    "
        typer.echo(
            f"{'*' if version.is_current else ' '} {version.data_version}  {date}  {version.participants} participants, "
            f"{version.recordings} ECGs, {version.cines} cines, {version.quarantined} in quarantine"
        )
        typer.echo(f"    {version.command}")


def _print_releases(ledger: Ledger) -> None:
    typer.echo("Releases" if ledger.releases else "No release yet: run `eccl publish`.")
    for release in reversed(ledger.releases):
        notes = [*ledger.aliases_of(release.name)]
        if release.retraction:
            notes.append(f"retracted: {release.retraction['reason']}")
        if release.redactions:
            notes.append(f"rows removed by withdrawals: {', '.join(release.redactions)}")
        if release.removed_at:
            notes.append(f"file removed {release.removed_at[:10]}")
        moment = release.published_at[:16].replace("T", " ")
        typer.echo(f"  {release.name:<14}  {moment}  data {release.data_version}  {', '.join(notes)}".rstrip())
