"""``eccl withdraw``: remove withdrawn participants from every store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import DryRunOption, JsonOption, RecordOption, WorkspaceOption
from eccl.commands.progress import bar
from eccl.templates import render
from eccl.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from eccl.withdrawal.run import Outcome


def withdraw(
    listed: Annotated[
        Path | None,
        typer.Argument(metavar="LIST", help="Withdrawal list, one participant per line; none with --resume."),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(
            help="Folder of raw files to remove the participants from as well; default leaves raw files unchanged."
        ),
    ] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove older versions' objects from DVC's cache and your remote.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted withdrawal.")] = False,
    record: RecordOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Remove participants from data, features, releases and caches, and write a certificate of counts.

    Exits with 1 if a search afterwards finds remaining data of them.

    Example: eccl withdraw w99999_20260301.csv --raw raw --dry-run
    """
    place = find_workspace(workspace)
    if (listed is None) != resume:
        raise typer.BadParameter("give a withdrawal list, or --resume without one")
    if dry_run and listed is not None:
        _plan(place, listed, raw, purge, as_json)
    elif record:
        from eccl.commands.flow import run_flow

        run_flow("withdraw", place, listed=listed and listed.resolve(), raw=raw and raw.resolve(), purge=purge)
    elif not dry_run:
        _withdraw(place, listed, raw, purge, as_json)
    else:
        raise typer.BadParameter("--resume continues a planned withdrawal; --dry-run needs a list")


def _plan(place: Workspace, listed: Path, raw: Path | None, purge: bool, as_json: bool) -> None:
    from eccl.withdrawal.purge import is_versioned, plan_purge
    from eccl.withdrawal.run import plan_withdrawal

    plan = plan_withdrawal(place, listed, raw)
    counts: dict[str, Any] = {
        "participants": len(plan.eids),
        "certificate": plan.certificate,
        **{name: dict(getattr(plan, name)) for name in ("tables", "arrays", "features", "releases")},
        "raw": {"files": plan.raw_files, "rows": plan.raw_rows} if plan.raw else None,
        "runs_tainted": [dict(run) for run in plan.tainted],
    }
    if purge and is_versioned(place):
        # The listed participants have no tombstone yet: in older versions, only earlier withdrawals can be counted.
        counts["objects_of_earlier_withdrawals"] = len(plan_purge(place).objects)
    text = json.dumps(counts, indent=1) + "\n" if as_json else render("commands/cohort/withdraw.txt.jinja", **counts)
    typer.echo(text, nl=False)


def _withdraw(place: Workspace, listed: Path | None, raw: Path | None, purge: bool, as_json: bool) -> None:
    from eccl.withdrawal.purge import is_versioned
    from eccl.withdrawal.purge import purge as purge_versions
    from eccl.withdrawal.run import resume as resume_withdrawal
    from eccl.withdrawal.run import withdraw as withdraw_list

    with bar("Withdraw") as on_progress:
        if listed is None:
            outcome = resume_withdrawal(place, on_progress=on_progress)
        else:
            outcome = withdraw_list(place, listed, raw, on_progress=on_progress)
    certificate = outcome.certificate
    if purge and is_versioned(place):
        certificate = purge_versions(place) or certificate
    if as_json:
        typer.echo(json.dumps(dict(certificate.content) if certificate else {"participants": 0}, indent=1))
    else:
        _print(place, outcome, purge)
    if not outcome.is_clean:
        raise typer.Exit(1)


def _print(place: Workspace, outcome: Outcome, purge: bool) -> None:
    if outcome.certificate is None:
        found = outcome.searched.found if outcome.searched else ()
        typer.echo("No participant to withdraw: all on the list were withdrawn before, and nothing was changed.")
        for trace in found:
            typer.echo(f"  still found: {trace.path}: {trace.what}")
        return
    path = place.ledger / "withdrawals" / f"{outcome.certificate.name}.md"
    typer.echo(path.read_text(), nl=False)
    typer.echo(f"\nCertificate: {path.relative_to(place.root)}")
    later = "" if purge else "; --purge then removes them from older versions"
    typer.echo(f"Next: eccl validate, then record the new version (eccl ingest RAW --record){later}")
