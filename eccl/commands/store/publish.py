"""``eccl publish``: tables and features into a release."""

from __future__ import annotations

from typing import Annotated

import typer

from eccl.commands.options import DryRunOption, WorkspaceOption
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
