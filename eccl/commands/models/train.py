"""``eccl train``: run the flow that triggers the DVC stages, or estimate its cost."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption
from eccl.commands.output import render_table
from eccl.templates import render
from eccl.workspace import find_workspace, find_workspace_if_any, shipped

if TYPE_CHECKING:
    from eccl.training.dry_run import StageCost, TrainingRequest


def train(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages or groups of dvc.yaml; default is all.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of params.yaml; it is chosen there, unless --dry-run is given.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="GPUs, or processes on a CPU.")] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None, typer.Option(help="auto is bf16 on a GPU, fp32 on a CPU.")
    ] = None,
    compiled: Annotated[bool | None, typer.Option("--compile/--no-compile", help="Compile the networks.")] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic/--fast", help="On a GPU: use only bitwise reproducible kernels.")
    ] = None,
    arrays: Annotated[
        Literal["auto", "resident", "streamed"] | None, typer.Option(help="auto keeps arrays in memory if they fit.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the training and evaluation stages whose inputs changed; the gate must have passed.

    A stage that was killed resumes from its last checkpoint. --dry-run times a few steps and prints the stages and
    their cost.

    Example: eccl train pretrain_ecg align@I50

    Example: eccl train --preset paper --dry-run
    """
    from eccl.commands.flow import run_flow
    from eccl.training.dry_run import check_training, estimate_training
    from eccl.training.settings import choose_preset

    runtime = {
        "devices": devices,
        "precision": precision,
        "compile": compiled,
        "deterministic": deterministic,
        "arrays": arrays,
    }
    place = find_workspace_if_any(workspace) if dry_run else find_workspace(workspace)
    request = check_training(place.params_file if place else shipped("params.yaml"), preset, stages, **runtime)
    if dry_run:
        source, costs = estimate_training(place, request)
        typer.echo(
            json.dumps([asdict(cost) for cost in costs], indent=2) if as_json else _text(request, source, costs),
            nl=as_json,
        )
        return
    assert place is not None
    if preset is not None:
        choose_preset(place.params_file, preset)
    for name, value in runtime.items():
        if value is not None:
            os.environ[f"ECCL_{name.upper()}"] = str(value)
    run_flow("train", place, stages=stages or None)


def _text(request: TrainingRequest, source: str, costs: list[StageCost]) -> str:
    import polars as pl

    from eccl.training.dry_run import SECONDS, STEPS

    rows = [
        {
            "stage": cost.stage,
            "parameters": f"{cost.parameters / 1e6:.2f} M",
            "batch": cost.batch_size,
            "steps": cost.steps,
            "measured batch": cost.measured_batch,
            "s/step": cost.seconds_per_step,
            "time": _duration(cost.hours),
            "memory": None if cost.memory_bytes is None else f"{cost.memory_bytes / 1e9:.1f} GB",
        }
        for cost in costs
    ]
    return render(
        "commands/models/train.txt.jinja",
        request=request,
        source=source,
        table=render_table(pl.DataFrame(rows, infer_schema_length=None), len(rows)),
        total=_duration(sum(cost.hours for cost in costs)),
        steps=STEPS,
        seconds=SECONDS,
        is_smaller=any(cost.measured_batch * request.runtime.devices < cost.batch_size for cost in costs),
    )


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.0f} d"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
