"""``eccl train``: the flow that triggers the DVC stages, or what it would cost."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.workspace import Workspace

if TYPE_CHECKING:
    from eccl.training.cost.planning import TrainingPlanTable, TrainingRequest


class Precision(StrEnum):
    """Arithmetic of the networks."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class Arrays(StrEnum):
    """How records are held while training."""

    AUTO = "auto"
    RESIDENT = "resident"
    STREAMED = "streamed"


def train(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages or groups of dvc.yaml; default is all.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of params.yaml; without --dry-run it is written there.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="GPUs, or processes on a CPU.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="auto is bf16 on a GPU, fp32 on a CPU.")] = None,
    compiled: Annotated[bool | None, typer.Option("--compile/--no-compile", help="Compile the networks.")] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic/--fast", help="On a GPU: only kernels that repeat to the bit.")
    ] = None,
    arrays: Annotated[Arrays | None, typer.Option(help="auto holds arrays in memory if they fit.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print stages and their cost; train nothing.")] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the training and evaluation stages whose inputs changed, behind the gate.

    A stage that was killed goes on after its last checkpoint when it is started again.

    Example: eccl train pretrain_ecg align@I50

    Example: eccl train --preset paper --dry-run
    """
    from eccl.commands.flow import run_flow
    from eccl.training.cost.planning import check_training, plan_training
    from eccl.training.settings.config import choose_preset
    from eccl.workspace import find_workspace, shipped

    runtime = {
        "devices": devices,
        "precision": precision,
        "compile": compiled,
        "deterministic": deterministic,
        "arrays": arrays,
    }
    place = _workspace_if_any(workspace) if dry_run else find_workspace(workspace)
    request = check_training(place.params_file if place else shipped("params.yaml"), preset, stages, **runtime)
    if dry_run:
        plan = plan_training(place, request)
        typer.echo(json.dumps([asdict(stage) for stage in plan.stages], indent=2) if as_json else _text(request, plan))
        return
    assert place is not None
    if preset is not None:
        choose_preset(place.params_file, preset)
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


def _text(request: TrainingRequest, plan: TrainingPlanTable) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    from eccl.training.cost.estimate import PEAK_FLOPS
    from eccl.training.loop.runtime import count_cores

    title = f"Preset {request.params.name}, {plan.source}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("stage")
    for name in ("parameters", "tokens", "batch", "steps", "TFLOP/step", "memory", *PEAK_FLOPS, "this CPU"):
        table.add_column(name, justify="right")
    for stage in plan.stages:
        full, half = stage.memory_bytes
        table.add_row(
            stage.stage,
            f"{stage.parameters / 1e6:.2f} M",
            stage.tokens,
            str(stage.batch_size),
            f"{stage.steps:,}",
            f"{stage.step_flops / 1e12:.3g}",
            f"{(full if request.runtime.precision == 'fp32' else half) / 1e9:.1f} GB",
            *(_duration(stage.gpu_hours(name, request.runtime.devices)) for name in PEAK_FLOPS),
            _duration(stage.cpu_hours(count_cores())),
        )
    buffer = StringIO()
    Console(file=buffer, width=132).print(table)
    return buffer.getvalue() + _footnotes(request, plan)


def _footnotes(request: TrainingRequest, plan: TrainingPlanTable) -> str:
    from eccl.training.cost.estimate import ASSUMED_UTILISATION, CPU_CORE_FLOPS, PEAK_FLOPS
    from eccl.training.loop.runtime import count_cores

    devices = request.runtime.devices
    sums = {name: sum(stage.gpu_hours(name, devices) for stage in plan.stages) for name in PEAK_FLOPS}
    total = ", ".join(f"{_duration(hours)} on {devices} {name}" for name, hours in sums.items())
    memory = "fp32" if request.runtime.precision == "fp32" else "bf16"
    return (
        f"Together about {total}, at an assumed {ASSUMED_UTILISATION:.0%} of the bf16 peak; the CPU counts "
        f"{count_cores()} cores of {CPU_CORE_FLOPS / 1e9:.0f} GFLOP/s.\n"
        f"Memory of one device in {memory}: weights, gradients, Adam's moments, best weights and activations; arrays that "
        "fit lie there too.\nTime includes the features that a stage writes of every visit. Which stages are up to date: "
        "`dvc status`."
    )


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.0f} d"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(train)
