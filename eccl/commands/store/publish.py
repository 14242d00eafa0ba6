"""``eccl publish``: tables and features into a release."""

from __future__ import annotations

from typing import Annotated

import typer

from eccl.commands.options import WorkspaceOption


def publish(
    force: Annotated[bool, typer.Option("--force", help="Make a release also where nothing changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell whether there is something new.")] = False,
    alias: Annotated[str | None, typer.Option("--as", help="Alias for it besides `latest`, e.g. stable.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Build a release of the store aside and swap it in; nothing happens where the latest shows everything already.

    Example: eccl publish --as stable
    """
    from eccl.ledger.releases import check_alias, promote
    from eccl.publishing.publish import has_news
    from eccl.publishing.publish import publish as publish_store
    from eccl.workspace import find_workspace

    place = find_workspace(workspace)
    if alias:
        check_alias(alias)
    if dry_run:
        typer.echo("There is something new to publish" if has_news(place) else "Nothing new; no release would be made")
        return
    published = publish_store(place, force=force)
    if alias:
        promote(place, published.release.name, alias)
    if published.is_new:
        for table, rows in published.rows.items():
            typer.echo(f"{rows:>9} {table}")
    state = "Published" if published.is_new else "Nothing new since"
    typer.echo(f"{state} release {published.release.name}" + (f", now {alias}" if alias else ""))


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(publish)
