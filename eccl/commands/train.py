"""``eccl train``: the flow that triggers the DVC stages, or what it would cost."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import WorkspaceOption
from eccl.workspace import Workspace

if TYPE_CHECKING:
    from eccl.training.planning import TrainingPlanTable


def train(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages or groups of dvc.yaml; default is all.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of params.yaml; without --dry-run it is written there.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="GPUs, or processes on a CPU.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16; auto is bf16 on a GPU.")] = None,
    compiled: Annotated[bool | None, typer.Option("--compile/--no-compile", help="Compile the networks.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print stages and their cost; train nothing.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the training and evaluation stages whose inputs changed, behind the gate.

    Example: eccl train pretrain_ecg align@I50
    Example: eccl train --preset paper --dry-run
    """
    from eccl.commands.flow import run_flow
    from eccl.training.config import load_params
    from eccl.workspace import find_workspace, shipped

    runtime = {"devices": devices, "precision": precision, "compile": compiled}
    if dry_run:
        place = _workspace_if_any(workspace)
        _print_plan(place, place.params_file if place else shipped("params.yaml"), preset, stages, runtime)
        return
    place = find_workspace(workspace)
    if preset is not None:
        load_params(place.params_file, preset)  # refused before anything is written
        _set_preset(place.params_file, preset)
    for name, value in runtime.items():
        if value is not None:
            os.environ[f"ECCL_{name.upper()}"] = str(value)
    run_flow("train", place, stages=stages or None)


def _workspace_if_any(start: Path | None) -> Workspace | None:
    from eccl.errors import WorkspaceError
    from eccl.workspace import find_workspace

    try:
        return find_workspace(start)
    except WorkspaceError:
        if start is not None:
            raise
        return None


def _set_preset(params_file: Path, preset: str) -> None:
    """Write the preset where DVC looks for it; the change is git's to show."""
    from eccl.store.files import replace_file

    text = params_file.read_text()
    replace_file(params_file, re.sub(r"(?m)^(preset:\s*)\S+", rf"\g<1>{preset}", text, count=1).encode())


def _print_plan(
    place: Workspace | None, params_file: Path, preset: str | None, stages: list[str] | None, runtime: dict[str, Any]
) -> None:
    from eccl.training.config import check_devices, load_params
    from eccl.training.planning import choose_stages, plan_training
    from eccl.training.runtime import runtime_from_environment

    chosen = choose_stages(stages)
    params = load_params(params_file, preset)
    config = runtime_from_environment(**runtime)
    check_devices(params.preset, config.devices)
    plan = plan_training(place, params, chosen, config.devices)
    typer.echo(_table(f"Preset {params.name}, {plan.source}", plan), nl=False)
    typer.echo(_footnotes(plan))


def _table(title: str, plan: TrainingPlanTable) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    from eccl.training.estimate import ASSUMED_UTILISATION, CPU_CORE_FLOPS, PEAK_FLOPS

    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("stage")
    names = ("parameters", "tokens", "batch", "steps/epoch", "steps", "TFLOP/step", "memory bf16", "fp32")
    for name in (*names, *PEAK_FLOPS, "this CPU"):
        table.add_column(name, justify="right")
    cpu = CPU_CORE_FLOPS * _cores()
    for stage in plan.stages:
        rates = [peak * ASSUMED_UTILISATION for peak in PEAK_FLOPS.values()]
        full, half = stage.memory_bytes
        table.add_row(
            stage.stage,
            f"{stage.parameters / 1e6:.2f} M",
            stage.tokens,
            str(stage.batch_size),
            f"{stage.steps_per_epoch:,}",
            f"{stage.steps:,}",
            f"{stage.step_flops / 1e12:.3g}",
            f"{half / 1e9:.1f} GB",
            f"{full / 1e9:.1f} GB",
            *(_duration(stage.hours_on(rate)) for rate in (*rates, cpu)),
        )
    buffer = StringIO()
    Console(file=buffer, width=200).print(table)
    return buffer.getvalue()


def _footnotes(plan: TrainingPlanTable) -> str:
    from eccl.training.estimate import ASSUMED_UTILISATION, CPU_CORE_FLOPS, PEAK_FLOPS

    hours = [sum(s.hours_on(peak * ASSUMED_UTILISATION) for s in plan.stages) for peak in PEAK_FLOPS.values()]
    total = ", ".join(f"{_duration(one)} on one {name}" for name, one in zip(PEAK_FLOPS, hours, strict=True))
    return (
        f"Together about {total}, at {ASSUMED_UTILISATION:.0%} of its bf16 peak; the CPU counts {_cores()} cores of "
        f"{CPU_CORE_FLOPS / 1e9:.0f} GFLOP/s.\nMemory is that of one device: weights, gradients, Adam's moments and "
        "activations; arrays that fit are held there too.\nTime includes the features that a stage writes of every visit."
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.0f} d"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(train)
