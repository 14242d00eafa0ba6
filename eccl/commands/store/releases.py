"""``eccl publish``, ``eccl diff``, ``eccl promote``, ``eccl retract``: releases of the published store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption
from eccl.commands.output import render_table
from eccl.workspace import find_workspace


def publish(
    force: Annotated[bool, typer.Option("--force", help="Make a release even if nothing changed.")] = False,
    alias: Annotated[str | None, typer.Option(help="Alias for the release besides `latest`, e.g. stable.")] = None,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Publish tables and features as a new release, unless the latest release is up to date.

    Example: eccl publish --alias stable
    """
    from eccl.ledger.releases import check_alias, promote
    from eccl.publishing.publish import has_changes
    from eccl.publishing.publish import publish as publish_store

    place = find_workspace(workspace)
    if alias:
        check_alias(alias)
    if dry_run:
        typer.echo("A new release would be made" if has_changes(place) else "Nothing changed; no release would be made")
        return
    published = publish_store(place, force=force)
    if alias:
        promote(place, published.release.name, alias)
    if published.is_new:
        for table, rows in published.rows.items():
            typer.echo(f"{rows:>9} {table}")
    state = "Published" if published.is_new else "Nothing new since"
    typer.echo(f"{state} release {published.release.name}" + (f", now {alias}" if alias else ""))


def diff(
    older: Annotated[str, typer.Argument(help="Release, alias or data version.")],
    newer: Annotated[str, typer.Argument(help="Release, alias or data version.")] = "latest",
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Count what changed between two releases: participants, records, labels, features.

    Example: eccl diff stable latest
    """
    import polars as pl

    from eccl.ledger.releases import open_release
    from eccl.publishing.diff import diff_releases

    place = find_workspace(workspace)
    a, b = (open_release(place, name) for name in (older, newer))
    changes = [asdict(change) for change in diff_releases(a.path(place), b.path(place))]
    if as_json:
        typer.echo(json.dumps({"older": a.name, "newer": b.name, "changes": changes}, indent=1))
        return
    typer.echo(f"{a.name} (data {a.data_version}) -> {b.name} (data {b.data_version})")
    moved = [row for row in changes if row["added"] or row["removed"] or row["changed"]]
    if moved:
        typer.echo(render_table(pl.DataFrame(moved, infer_schema_length=None), 1000), nl=False)
    typer.echo(f"{len(moved)} of {len(changes)} tables and runs differ")


def promote(
    release: Annotated[str, typer.Argument(help="Release, alias or data version.")] = "latest",
    alias: Annotated[str, typer.Option(help="Alias that will point at it.")] = "stable",
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Point an alias at a release; a release with an alias is kept.

    Example: eccl promote latest --alias stable
    """
    from eccl.ledger.releases import check_alias, open_release, read_ledger
    from eccl.ledger.releases import promote as promote_release

    place = find_workspace(workspace)
    before = read_ledger(place).aliases.get(alias, "nothing")
    check_alias(alias)
    found = open_release(place, release) if dry_run else promote_release(place, release, alias)
    typer.echo(f"{alias}: {before} -> {found.name}" + (" (nothing was written)" if dry_run else ""))


def retract(
    release: Annotated[str, typer.Argument(help="Release, alias or data version.")],
    reason: Annotated[str, typer.Option(help="Reason; printed to users who open the release.")],
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Retract a release: its file stays, but it can no longer be opened by name.

    Example: eccl retract 2026-03-01 --reason "labels of site 3 were wrong"
    """
    from eccl.ledger.releases import read_ledger
    from eccl.publishing.publish import check_retraction
    from eccl.publishing.publish import retract as retract_release

    place = find_workspace(workspace)
    if dry_run:
        found = check_retraction(read_ledger(place), release, reason)
        typer.echo(f"would retract {found.name}; nothing was written")
        return
    typer.echo(f"retracted {retract_release(place, release, reason).name}")
    typer.echo(f"latest is {read_ledger(place).aliases.get('latest', 'no release')}")
