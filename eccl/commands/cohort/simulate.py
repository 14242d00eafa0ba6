"""``eccl simulate``: a raw cohort in UK Biobank's formats, or its arrays directly in a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import DryRunOption, WorkersOption, WorkspaceOption
from eccl.commands.progress import bar
from eccl.workspace import Workspace, find_workspace_if_any, shipped

if TYPE_CHECKING:
    from eccl.simulate import SimulationConfig, SimulationSummary


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the raw files and tables; with --into for the tables only.")],
    participants: Annotated[int | None, typer.Option(min=1, help="Participants; default from params.yaml.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default from params.yaml.")] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            help="Workspace whose params.yaml is used and into whose data/ the arrays are written, without raw files.",
        ),
    ] = None,
    workers: WorkersOption = 2,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a simulated cohort in UK Biobank's formats.

    Without --into, OUT gets everything that an export holds: ECG XML, cine DICOM zips, tables in two dialects and a
    withdrawal list, for `eccl ingest OUT`.

    With --into, OUT gets the tables and the withdrawal list, and the workspace the same data/ as from raw files, many
    times faster. As after `eccl ingest`, the store is published where none was. A workspace with data of any other
    origin, real or simulated, is refused. --workspace cannot be given as well.

    Example: eccl simulate raw --participants 64

    Example: eccl simulate tables --participants 5000 --into study --workers 16
    """
    from eccl.simulate import simulate_cohort

    if into is not None and workspace is not None:
        raise typer.BadParameter("--into names the workspace already; omit --workspace")
    config, place = _recipe(into or workspace, participants, seed)
    if into is None:
        place = None  # only its params.yaml was read
    if dry_run:
        _plan(out, config, place)
        return
    if place is not None:
        _simulate_into(out, config, place, workers)
        return
    with bar("Simulate") as on_progress:
        summary = simulate_cohort(out, config, workers=workers, on_progress=on_progress)
    typer.echo(f"Simulated cohort {'existed already' if summary.reused else 'written'}: {_describe(summary)}")


def _recipe(
    workspace: Path | None, participants: int | None, seed: int | None
) -> tuple[SimulationConfig, Workspace | None]:
    """Read the configuration; also returns its workspace, None where the shipped parameters are used."""
    from eccl.config import load_params
    from eccl.sections import read_section
    from eccl.simulate import SimulationConfig

    place = find_workspace_if_any(workspace)
    params = load_params(place.params_file if place else shipped("params.yaml"))
    changes = {key: value for key, value in (("participants", participants), ("seed", seed)) if value is not None}
    return read_section(SimulationConfig, {**params.simulate, **changes}, "simulate"), place


def _plan(out: Path, config: SimulationConfig, place: Workspace | None) -> None:
    from eccl.simulate.direct import plan_simulation_into
    from eccl.simulate.files.simulation import plan_simulation

    summary = plan_simulation(out, config) if place is None else plan_simulation_into(out, config, place)
    where = f"raw files and tables to {out}" if place is None else f"tables to {out}, arrays to {place.data}"
    there = " (exist already)" if summary.reused else ""
    typer.echo(f"{where}{there}: {_describe(summary)}. Nothing was written.")


def _simulate_into(out: Path, config: SimulationConfig, place: Workspace, workers: int) -> None:
    from eccl.commands.cohort.ingest import publish_if_changed
    from eccl.simulate.direct import simulate_into

    with bar("Simulate") as on_progress:
        summary, report = simulate_into(out, config, place, workers=workers, on_progress=on_progress)
    state = "existed already" if summary.reused else "written"
    typer.echo(f"Simulated tables {state}, without raw files: {_describe(summary)}")
    typer.echo(report.describe())
    publish_if_changed(place)


def _describe(summary: SimulationSummary) -> str:
    cases = ", ".join(f"{count} {code}" for code, count in summary.cases.items())
    corrupted = sum(count.files for count in summary.corruptions)
    return (
        f"{summary.participants} participants ({cases}), {summary.second_visits} second visits, {summary.ecg_files} ECGs, "
        f"{summary.cine_files} cines, {corrupted} files corrupted on purpose, {summary.withdrawn} withdrawn"
    )
