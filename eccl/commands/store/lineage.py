"""``eccl lineage``: from a visit's features down to the raw files."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import JsonOption, ReleaseOption, WorkspaceOption
from eccl.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from rich.tree import Tree


def lineage(
    eid: Annotated[int, typer.Argument(help="Participant.")],
    instance: Annotated[int | None, typer.Option("--instance", "-i", help="Visit; default is all.")] = None,
    view: Annotated[str | None, typer.Option(help="Only this feature view.")] = None,
    as_json: JsonOption = False,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Show where a visit's features come from: raw file, array slot, data version, run, weights, gate.

    Example: eccl lineage 9000001
    """
    from eccl.features.store import open_store

    place = find_workspace(workspace)
    with open_store(place.root, release=release) as store:
        links = [link for link in store.lineage(eid, instance) if view in {None, link["feature_view"]}]
        is_known = store.has_participant(eid)
    if not is_known:
        _report_absent(place, eid, as_json)
    elif as_json:
        typer.echo(json.dumps(links, default=str, indent=1))
    elif links:
        _draw(links)
    else:
        typer.echo("No features of this visit in this release.")


def _report_absent(place: Workspace, eid: int, as_json: bool) -> None:
    """Report an id that the release does not hold: withdrawn according to the tombstones, or unknown."""
    from eccl.errors import WithdrawalError
    from eccl.ledger.tombstones import Tombstones

    try:
        since = Tombstones.load(place).since(eid)
    except WithdrawalError:
        typer.echo(
            "Not in this release; without the key of the tombstones it is unknown whether the participant withdrew.",
            err=True,
        )
        raise typer.Exit(1) from None
    if since is None:
        typer.echo("No such participant in this release.", err=True)
        raise typer.Exit(1)
    typer.echo(json.dumps({"deleted_on": str(since)}) if as_json else f"deleted: withdrawn on {since}")


def _draw(links: list[dict[str, Any]]) -> None:
    from rich.console import Console

    def slot(link: dict[str, Any]) -> tuple[Any, ...]:
        return link["instance"], link["array"], link["array_row"]

    console = Console(width=140, highlight=False)
    for _, group in groupby(sorted(links, key=slot), key=slot):
        console.print(_tree(list(group)))


def _tree(links: list[dict[str, Any]]) -> Tree:
    from rich.tree import Tree

    first = links[0]
    tree = Tree(f"visit {first['instance']}: {first['array']} row {first['array_row']}")
    superseded = "" if first["is_current"] else "  (superseded by a later file)"
    tree.add(f"raw file {first['raw_path']}  sha256 {_short(first['raw_sha256'])}{superseded}")
    tree.add(f"record sha256 {_short(first['record_sha256'])}")

    def origin(link: dict[str, Any]) -> tuple[str, str]:
        return link["data_version"], link["run_id"]

    for (version, run_id), group in groupby(sorted(links, key=origin), key=origin):
        mine = list(group)
        link = mine[0]
        branch = tree.add(
            f"run {run_id}" + (f"  [red]tainted since {link['tainted_since']}[/red]" if link["tainted_since"] else "")
        )
        branch.add(", ".join(f"{one['feature_view']} ({one['state']})" for one in mine))
        recorded = (
            f"DVC {_short(link['dvc_md5'])}, commit {_short(link['git_commit'])}" if link["dvc_md5"] else "not recorded"
        )
        branch.add(f"data version {version}: {recorded}" + _gone(link["data_version_deleted_on"]))
        if link["trained_on"] != version:
            branch.add(f"materialized; the model was trained on data version {link['trained_on']}")
        branch.add(f"weights sha256 {_short(link['weights_sha256'])}, params sha256 {_short(link['params_sha256'])}")
        if link["parents"]:
            branch.add(f"parents {link['parents'].replace(',', ', ')}")
        reason = f": {link['gate_override']}" if link["gate_override"] else ""
        branch.add(f"gate {link['gate_status']}{reason}  sha256 {_short(link['gate_sha256'])}")
    return tree


def _short(digest: str | None) -> str:
    return digest[:16] if digest else "-"


def _gone(since: Any) -> str:
    return f"  [red]deleted on {since}[/red]" if since else ""
