"""``eccl withdraw``: remove withdrawn participants from every store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import DryRunOption, JsonOption, RecordOption, WorkspaceOption

if TYPE_CHECKING:
    from eccl.withdrawal.journal import Plan
    from eccl.withdrawal.run import Outcome
    from eccl.workspace import Workspace


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
    from eccl.workspace import find_workspace

    place = find_workspace(workspace)
    if (listed is None) != resume:
        raise typer.BadParameter("give a withdrawal list, or --resume without one")
    if dry_run and listed is not None:
        _plan(place, listed, raw, purge, as_json)
    elif record:
        from eccl.commands.flow import run_flow

        files = {"listed": listed and listed.resolve(), "raw": raw and raw.resolve()}
        values: dict[str, Any] = {name: path for name, path in files.items() if path}
        run_flow("withdraw", place, purge=purge, **values)
    elif not dry_run:
        _withdraw(place, listed, raw, purge, as_json)
    else:
        raise typer.BadParameter("--resume goes on with what was planned; --dry-run has nothing to tell")


def _plan(place: Workspace, listed: Path, raw: Path | None, purge: bool, as_json: bool) -> None:
    from eccl.withdrawal.purge import is_versioned, plan_purge
    from eccl.withdrawal.run import plan_withdrawal

    plan = plan_withdrawal(place, listed, raw)
    counts = _counts(plan)
    if purge and is_versioned(place):
        # Who leaves now has no tombstone yet: of older versions, only what earlier withdrawals left can be counted.
        counts["objects_of_earlier_withdrawals"] = len(plan_purge(place).objects)
    if as_json:
        typer.echo(json.dumps(counts, indent=1))
        return
    typer.echo(f"{counts['participants']} participants to withdraw, certificate {plan.certificate}")
    for section in ("tables", "arrays", "features", "releases"):
        for name, one in counts[section].items():
            if one["theirs"]:
                typer.echo(f"  {section}: {name}: {one['theirs']} of {one['rows']}")
    typer.echo(
        f"  raw files: {plan.raw_files}, rows of tabular exports: {plan.raw_rows}" if raw else "  raw files: left alone"
    )
    typer.echo(f"  models that saw them: {', '.join(run['run'] for run in plan.tainted) or 'none'}")
    typer.echo("Nothing was written.")


def _counts(plan: Plan) -> dict[str, Any]:
    sections = {name: dict(getattr(plan, name)) for name in ("tables", "arrays", "features", "releases")}
    tainted = [dict(run) for run in plan.tainted]
    raw = {"files": plan.raw_files, "rows": plan.raw_rows} if plan.raw else None
    return {
        "participants": len(plan.eids),
        "certificate": plan.certificate,
        **sections,
        "raw": raw,
        "runs_tainted": tainted,
    }


def _withdraw(place: Workspace, listed: Path | None, raw: Path | None, purge: bool, as_json: bool) -> None:
    from eccl.commands.progress import bar
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
        _tell(place, outcome, purge)
    if not outcome.is_clean:
        raise typer.Exit(1)


def _tell(place: Workspace, outcome: Outcome, purge: bool) -> None:
    if outcome.certificate is None:
        found = outcome.searched.found if outcome.searched else ()
        typer.echo("Nobody to withdraw: everybody on the list left before, and nothing was changed.")
        for trace in found:
            typer.echo(f"  still there: {trace.path}: {trace.what}")
        return
    path = place.ledger / "withdrawals" / f"{outcome.certificate.name}.md"
    typer.echo(path.read_text(), nl=False)
    typer.echo(f"\nCertificate: {path.relative_to(place.root)}")
    later = "" if purge else "; --purge then removes them from older versions"
    typer.echo(f"Next: eccl validate, then record the new version (eccl ingest RAW --record){later}")
