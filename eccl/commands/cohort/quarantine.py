"""``eccl quarantine``: what was refused, why, and reading it again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from eccl.commands.options import OutputOption, RowsOption, WorkersOption, WorkspaceOption
from eccl.commands.output import Output
from eccl.errors import Reason


class Kind(StrEnum):
    """Kinds of raw files."""

    ECG = "ecg"
    CINE = "cine"
    TABLE = "table"


KindOption = Annotated[Kind | None, typer.Option(help="Only one kind of file.")]


def list_refused(
    files: Annotated[
        bool, typer.Option("--files", help="One line per file, with its path, which holds an id.")
    ] = False,
    kind: KindOption = None,
    reason: Annotated[
        Reason | None,
        typer.Option(metavar="REASON", help="Only what was refused for this reason (docs/reference/quarantine.md)."),
    ] = None,
    output: OutputOption = Output.TABLE,
    rows: RowsOption = 40,
    workspace: WorkspaceOption = None,
) -> None:
    """Count what was refused by reason, with the remedy; --files names the files.

    Example: eccl quarantine list --kind ecg --files
    """
    from eccl.commands.output import render
    from eccl.ingest.quarantine import count_refusals, read_refusals
    from eccl.workspace import find_workspace

    if output is Output.PARQUET:
        raise typer.BadParameter("a list is printed as table, csv or json")
    found = read_refusals(find_workspace(workspace), kind, reason.value if reason else None)
    if found.is_empty() and output is Output.TABLE:
        typer.echo("Nothing is in quarantine.")
        return
    answer = found.select("kind", "reason", "path", "detail", "remedy") if files else count_refusals(found)
    typer.echo(render(answer, output, rows), nl=False)


def retry(
    raw: Annotated[str, typer.Argument(help="The raw files: a folder, or a URL such as s3://bucket/raw.")],
    reason: Annotated[
        list[Reason] | None,
        typer.Option(metavar="REASON", help="Only what was refused for this reason; can be given several times."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be read again and write nothing.")
    ] = False,
    workers: WorkersOption = 2,
    workspace: WorkspaceOption = None,
) -> None:
    """Read refused files again, for instance after raising a limit in params.yaml; mended files are read by any ingest.

    Example: eccl quarantine retry /path/to/raw --reason time_limit
    """
    from eccl.ingest.run import Again, plan_ingest
    from eccl.workspace import find_workspace

    place = find_workspace(workspace)
    again = frozenset(reason) if reason else True
    if dry_run:
        from eccl.config import load_params

        _, plans = plan_ingest(place, raw, load_params(place.params_file), again=Again(retry=again))
        for kind, plan in plans.items():
            typer.echo(
                f"{kind}: {plan.retried} refused files would be read again, {plan.new - plan.retried} others are new or changed"
            )
        typer.echo("Nothing was written.")
        return
    from eccl.commands.cohort.ingest import ingest_here

    ingest_here(place, raw, workers, retry=again)


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What was refused, why, and what to do about it: list, retry.", no_args_is_help=True)
    group.command("list")(list_refused)
    group.command("retry")(retry)
    app.add_typer(group, name="quarantine")
