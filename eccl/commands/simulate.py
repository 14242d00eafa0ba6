"""``eccl simulate``: a raw cohort in UK Biobank's formats, or its arrays straight into a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import WorkersOption, WorkspaceOption

if TYPE_CHECKING:
    from eccl.simulate import SimulationConfig, SimulationSummary
    from eccl.workspace import Workspace


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the raw files; with --into for the tables.")],
    participants: Annotated[int | None, typer.Option(min=1, help="Participants; default from params.yaml.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default from params.yaml.")] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            help="Workspace that gets the arrays without raw files: tables to OUT, ECGs and cines straight into its data/.",
        ),
    ] = None,
    workers: WorkersOption = 2,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a simulated cohort: ECG XML, cine DICOM zips, tables in two dialects, a withdrawal list.

    With --into the XML and DICOM are left out, which is many times faster; the arrays and tables under data/ are the same.

    Example: eccl simulate raw --participants 64

    Example: eccl simulate tables --participants 5000 --into study --workers 16
    """
    from eccl.commands.progress import bar
    from eccl.simulate import simulate_cohort

    config, place = _recipe(into or workspace, participants, seed)
    if into is not None and place is not None:
        _simulate_into(out, config, place, workers)
        return
    with bar("Simulate") as on_progress:
        summary = simulate_cohort(out, config, workers=workers, on_progress=on_progress)
    corrupt = sum(count.files for count in summary.corruptions if count.corruption != "none")
    typer.echo(
        f"Simulated cohort {_state(summary)}: {_people(summary)}, {summary.ecg_files} ECGs, "
        f"{summary.cine_files} cines, {corrupt} files corrupted on purpose, {summary.withdrawn} withdrawn"
    )


def _recipe(
    workspace: Path | None, participants: int | None, seed: int | None
) -> tuple[SimulationConfig, Workspace | None]:
    """The configuration, and the workspace it comes from; None where the shipped one is used."""
    from eccl.config import load_params, read_section
    from eccl.simulate import SimulationConfig
    from eccl.workspace import find_workspace, shipped

    place: Workspace | None
    try:
        place = find_workspace(workspace)
        params = load_params(place.params_file)
    except FileNotFoundError:
        if workspace is not None:
            raise
        place, params = None, load_params(shipped("params.yaml"))
    changes = {key: value for key, value in (("participants", participants), ("seed", seed)) if value is not None}
    return read_section(SimulationConfig, {**params.simulate, **changes}, "simulate"), place


def _simulate_into(out: Path, config: SimulationConfig, place: Workspace, workers: int) -> None:
    from eccl.commands.progress import bar
    from eccl.simulate.direct import simulate_into
    from eccl.store.publish import is_published, publish

    with bar("Simulate") as on_progress:
        summary, report = simulate_into(out, config, place, workers=workers, on_progress=on_progress)
    typer.echo(
        f"Simulated tables {_state(summary)}: {_people(summary)}, {summary.withdrawn} withdrawn; "
        f"{summary.ecg_files} ECGs and {summary.cine_files} cines without raw files"
    )
    typer.echo(report.describe())
    if not is_published(place):
        publish(place)
        typer.echo('Published eccl.duckdb. Next: eccl validate, or eccl sql "FROM pairs"')


def _state(summary: SimulationSummary) -> str:
    return "was there already" if summary.reused else "written"


def _people(summary: SimulationSummary) -> str:
    cases = ", ".join(f"{count} {code}" for code, count in summary.cases.items())
    return f"{summary.participants} participants ({cases})"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(simulate)
