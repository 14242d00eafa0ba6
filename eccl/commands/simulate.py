"""``eccl simulate``: a raw cohort in UK Biobank's formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eccl.commands.options import WorkersOption, WorkspaceOption


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the raw files.")],
    participants: Annotated[int | None, typer.Option(min=1, help="Participants; default from params.yaml.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default from params.yaml.")] = None,
    workers: WorkersOption = 2,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a simulated cohort: ECG XML, cine DICOM zips, tables in two dialects, a withdrawal list.

    Example: eccl simulate raw --participants 64
    """
    from eccl.commands.progress import bar
    from eccl.config import load_params, read_section
    from eccl.simulate import SimulationConfig, simulate_cohort
    from eccl.workspace import find_workspace, shipped

    try:
        params = load_params(find_workspace(workspace).params_file)
    except FileNotFoundError:
        params = load_params(shipped("params.yaml"))
    changes = {key: value for key, value in (("participants", participants), ("seed", seed)) if value is not None}
    config = read_section(SimulationConfig, {**params.simulate, **changes}, "simulate")
    with bar("Simulate") as on_progress:
        summary = simulate_cohort(out, config, workers=workers, on_progress=on_progress)
    corrupt = sum(count.files for count in summary.corruptions if count.corruption != "none")
    cases = ", ".join(f"{count} {code}" for code, count in summary.cases.items())
    state = "was there already" if summary.reused else "written"
    typer.echo(
        f"Simulated cohort {state}: {summary.participants} participants ({cases}), {summary.ecg_files} ECGs, "
        f"{summary.cine_files} cines, {corrupt} files corrupted on purpose, {summary.withdrawn} withdrawn"
    )


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(simulate)
