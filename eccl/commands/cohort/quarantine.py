"""``eccl quarantine``: list quarantined files and read them again."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from eccl.commands.options import CsvOption, DryRunOption, JsonOption, RowsOption, WorkersOption, WorkspaceOption
from eccl.commands.output import Output, choose_output, render
from eccl.errors import Reason
from eccl.workspace import find_workspace


def list_quarantined(
    files: Annotated[
        bool, typer.Option("--files", help="One line per file, with its path, which contains a participant id.")
    ] = False,
    kind: Annotated[Literal["ecg", "cine", "table"] | None, typer.Option(help="Only one kind of file.")] = None,
    reason: Annotated[
        Reason | None,
        typer.Option(metavar="REASON", help="Only files quarantined for this reason."),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    rows: RowsOption = 40,
    workspace: WorkspaceOption = None,
) -> None:
    """Count the quarantined files by reason, with the remedy; --files lists them.

    Example: eccl quarantine list --kind ecg --files
    """
    from eccl.ingest.quarantine import count_quarantine, read_quarantine

    output = choose_output(as_json, as_csv)
    found = read_quarantine(find_workspace(workspace), kind, reason.value if reason else None)
    if found.is_empty() and output is Output.TABLE:
        typer.echo("Nothing is in quarantine.")
        return
    answer = found.select("kind", "reason", "path", "detail", "remedy") if files else count_quarantine(found)
    typer.echo(render(answer, output, rows), nl=False)


def retry(
    raw: Annotated[str, typer.Argument(help="The raw files: a folder, or a URL such as s3://bucket/raw.")],
    reason: Annotated[
        list[Reason] | None,
        typer.Option(metavar="REASON", help="Only files quarantined for this reason; may be repeated."),
    ] = None,
    workers: WorkersOption = 2,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Read quarantined files again, e.g. after a limit in params.yaml was raised; every ingest reads changed files.

    Example: eccl quarantine retry /path/to/raw --reason time_limit
    """
    from eccl.ingest.run import plan_ingest

    place = find_workspace(workspace)
    again = frozenset(reason) if reason else True
    if dry_run:
        from eccl.config import load_params

        _, plans = plan_ingest(place, raw, load_params(place.params_file), retry=again)
        for kind, plan in plans.items():
            typer.echo(
                f"{kind}: {plan.retried} quarantined files would be read again, {plan.new - plan.retried} others are new or changed"
            )
        typer.echo("Nothing was written.")
        return
    from eccl.commands.cohort.ingest import ingest_here

    ingest_here(place, raw, workers, retry=again)
