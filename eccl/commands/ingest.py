"""``eccl ingest``: raw files into data/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eccl.commands.options import WorkersOption, WorkspaceOption


def ingest(
    raw: Annotated[Path, typer.Argument(help="Folder with XML, zip and table files, in any layout.")],
    workers: WorkersOption = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done and write nothing.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Read again what was refused before.")] = False,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Afterwards run the gate, and record a version behind it.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Bring data/ up to date with a raw folder, and publish what analysts can query already.

    Without --record nothing but this machine is needed; with it the ingest flow runs, gate and version included.

    Example: eccl ingest /path/to/raw --workers 8
    """
    from eccl.workspace import find_workspace

    place = find_workspace(workspace)
    if dry_run:
        _plan(place.root, raw)
    elif record:
        from eccl.commands.flow import run_flow

        run_flow("ingest", place, raw=raw.resolve(), workers=workers)
    else:
        _ingest(place.root, raw, workers, retry)


def _plan(root: Path, raw: Path) -> None:
    from eccl.config import load_params
    from eccl.ingest.run import plan_ingest
    from eccl.workspace import Workspace

    place = Workspace(root)
    found, plans = plan_ingest(place, raw, load_params(place.params_file))
    for kind, plan in plans.items():
        typer.echo(
            f"{kind}: {len(found.files[kind])} files, {plan.new} to read in {len(plan.batches)} batches ({plan.changed} of them "
            f"changed), {plan.unchanged} unchanged, {plan.quarantined_before} quarantined before, {found.withdrawn[kind]} of "
            f"withdrawn participants, {plan.vanished} known visits without a file"
        )
    typer.echo(f"tables: {len(found.tables)} candidate files. Nothing was written.")


def _ingest(root: Path, raw: Path, workers: int, retry: bool) -> None:
    from eccl.commands.progress import bar
    from eccl.ingest.run import run_ingest
    from eccl.store.publish import is_published, publish
    from eccl.workspace import Workspace

    place = Workspace(root)
    with bar("Ingest") as on_progress:
        report = run_ingest(place, raw, workers=workers, retry=retry, on_progress=on_progress)
    typer.echo(report.describe())
    if not is_published(place):
        publish(place)
        typer.echo('Published eccl.duckdb. Next: eccl validate, or eccl sql "FROM pairs"')


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(ingest)
