"""``eccl ingest``: raw files into data/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eccl.commands.options import DryRunOption, RecordOption, WorkersOption, WorkspaceOption
from eccl.commands.progress import bar
from eccl.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from collections.abc import Collection

    from eccl.errors import Reason


def ingest(
    raw: Annotated[
        str, typer.Argument(help="XML, zip and table files: a folder in any layout, or a URL such as s3://bucket/raw.")
    ],
    workers: WorkersOption = 2,
    retry: Annotated[bool, typer.Option("--retry", help="Read quarantined files again.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Verify the checksum of every record; read damaged ones from their file again."),
    ] = False,
    record: RecordOption = False,
    runner: Annotated[
        Literal["processes", "dask", "ray"],
        typer.Option(help="Process batches on this machine, or on a Dask or Ray cluster."),
    ] = "processes",
    address: Annotated[
        str | None,
        typer.Option(help="Address of a running cluster, e.g. tcp://scheduler:8786; default starts one here."),
    ] = None,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Read raw files into data/; if no release shows them, publish one.

    Without --record no server is needed; with it the ingest flow runs, including the gate and the data version.
    --runner dask or ray uses a flow in either case.

    Example: eccl ingest /path/to/raw --workers 8

    Example: eccl ingest s3://bucket/raw --record --runner dask --address tcp://scheduler:8786
    """
    place = find_workspace(workspace)
    if address and runner == "processes":
        raise typer.BadParameter("--address is the address of a cluster; add --runner dask or --runner ray")
    if dry_run:
        _plan(place, raw, retry, repair)
    elif record or runner != "processes":
        from eccl.commands.flow import run_flow

        name = "ingest" if record else "ingest-files"
        run_flow(name, place, raw=raw, workers=workers, runner=runner, address=address, retry=retry, repair=repair)
        if not record:
            publish_if_changed(place)
    else:
        ingest_here(place, raw, workers, retry=retry, repair=repair)


def _plan(place: Workspace, raw: str, retry: bool, repair: bool) -> None:
    from eccl.config import load_params
    from eccl.ingest.run import plan_ingest

    found, plans = plan_ingest(place, raw, load_params(place.params_file), retry=retry, repair=repair)
    for kind, plan in plans.items():
        repairs = f", {plan.repairs} of {plan.damaged} damaged slots to repair" if plan.damaged else ""
        typer.echo(
            f"{kind}: {len(found.files[kind])} files, {plan.new} to read in {len(plan.batches)} batches ({plan.changed} of them "
            f"changed, {plan.retried} to retry){repairs}, {plan.unchanged} unchanged, {plan.quarantined_before} quarantined "
            f"before, {found.withdrawn[kind]} of withdrawn participants, {plan.vanished} known visits without a file"
        )
    typer.echo(f"tables: {len(found.tables)} candidate files. Nothing was written.")


def ingest_here(
    place: Workspace, raw: str, workers: int, *, retry: bool | Collection[Reason] = False, repair: bool = False
) -> None:
    """Ingest with processes of this machine, print the report, and publish if the data changed."""
    from eccl.ingest.run import run_ingest

    with bar("Ingest") as on_progress:
        report = run_ingest(place, raw, workers=workers, retry=retry, repair=repair, on_progress=on_progress)
    typer.echo(report.describe())
    publish_if_changed(place)


def publish_if_changed(place: Workspace) -> None:
    """Publish unless the latest release contains the workspace's data."""
    from eccl.publishing.publish import is_published, publish

    if not is_published(place):
        publish(place)
        typer.echo('Published eccl.duckdb. Next: eccl validate, or eccl sql "FROM pairs"')
