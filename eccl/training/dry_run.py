"""Cost of a training before it starts: every wrong setting at once, then a few real steps of each kind of network.

The steps run on the device at hand with random inputs of the stage's batch shape. Reading and augmentation are left out; on
the data measured so far they take less than 2 % of a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from eccl.errors import ConfigError, WorkspaceError
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.mae import MaskedAutoencoder
from eccl.models.projection import FrozenEncoder, Supervised
from eccl.models.specs import FRAMES, LEADS, SAMPLES
from eccl.training.inputs.sampling import disease_groups
from eccl.training.inputs.targets import TRAITS, disease_labels, trait_fields
from eccl.training.inputs.visits import cine_visits, paired_visits, recording_visits
from eccl.training.loop.runtime import Runtime, RuntimeConfig, runtime_from_environment
from eccl.training.loop.tasks import AlignTask, SupervisedTask
from eccl.training.loop.trainer import build_optimiser
from eccl.training.settings import TASKS, OptimiserConfig, Preset, TrainingParams, check_devices, load_params
from eccl.training.stages import align
from eccl.workspace import Workspace

TRAINING_STAGES = ("pretrain_ecg", *(f"{stage}@{task}" for stage in ("pretrain_cmr", "align") for task in TASKS))
STEPS = 3
"""Steps that are timed of each kind of network, after one that is not."""
SECONDS = 5.0
"""Time that the steps of one kind of network may take; where whole batches take longer, smaller ones are timed."""
SMALLEST = 2
# Ding et al. 2024: pairs of the train split and of all splits, and prevalences.
PAPER_TRAIN, PAPER_ALL, PAPER_TRAITS = 24_908, 41_519, 82
PAPER_PREVALENCE = {"I21": 0.022, "I42": 0.004, "I48": 0.039, "I50": 0.012}
OTHER_PREVALENCE = 0.01
"""Assumed for a disease that the paper does not have; only the estimate of a workspace without data uses it."""

T = TypeVar("T")
Inputs = Callable[[int], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """Stages to train, with which parameters and on which devices."""

    stages: tuple[str, ...]
    params: TrainingParams
    runtime: RuntimeConfig


@dataclass(frozen=True, slots=True)
class TrainSet:
    """Number of training visits, of those with the disease (None without one), and of visits whose features are written."""

    visits: int
    cases: int | None
    described: int


@dataclass(frozen=True, slots=True)
class StepTime:
    """Measured steps of one kind of network on one device.

    Parameters
    ----------
    batch
        Visits per timed step.
    seconds, forward_seconds
        Of a training step, and of a forward pass without gradients, per visit.
    memory_bytes
        Peak on a GPU; None on a CPU.
    """

    batch: int
    seconds: float
    forward_seconds: float
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class StageCost:
    """Cost of one stage.

    Parameters
    ----------
    steps
        Optimiser steps of all epochs.
    measured_batch, memory_bytes
        As in :class:`StepTime`; a batch below `batch_size` per device means that the time is extrapolated in proportion.
    hours
        Training and the features written afterwards, on all devices.
    """

    stage: str
    parameters: int
    batch_size: int
    steps_per_epoch: int
    steps: int
    measured_batch: int
    seconds_per_step: float
    hours: float
    memory_bytes: int | None


def choose_training_stages(wanted: list[str] | None) -> list[str]:
    """Expand names and groups to the stages that train; ``evaluate`` is a known name and trains nothing.

    Raises
    ------
    ConfigError
        A name is not a training stage.
    """
    if not wanted:
        return list(TRAINING_STAGES)
    known = {*TRAINING_STAGES, *(stage.partition("@")[0] for stage in TRAINING_STAGES), "evaluate"}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise ConfigError(
            f"no stage {', '.join(unknown)}; known are {', '.join((*TRAINING_STAGES, 'evaluate'))}, and groups"
        )
    return [stage for stage in TRAINING_STAGES if stage in wanted or stage.partition("@")[0] in wanted]


def check_training(params_file: Path, preset: str | None, wanted: list[str] | None, **runtime: Any) -> TrainingRequest:
    """Check all settings of a training before a device or a file is touched.

    Parameters
    ----------
    preset
        Preset instead of the one that params.yaml chooses.
    wanted
        Stages or groups; None is all.
    runtime
        Flags, see :class:`eccl.training.loop.runtime.RuntimeConfig`.

    Raises
    ------
    ConfigError
        Lists what is wrong with stages, preset and runtime together.
    """
    problems: list[str] = []
    stages = _or_none(lambda: choose_training_stages(wanted), problems)
    params = _or_none(lambda: load_params(params_file, preset), problems)
    config = _or_none(lambda: runtime_from_environment(**runtime), problems)
    if params is not None and config is not None:
        _or_none(lambda: check_devices(params.preset, config.devices), problems)
    if problems or stages is None or params is None or config is None:
        raise ConfigError("\n".join(problems))
    return TrainingRequest(tuple(stages), params, config)


def estimate_training(workspace: Workspace | None, request: TrainingRequest) -> tuple[str, list[StageCost]]:
    """Measure the networks of a request and multiply by the steps of its stages.

    Parameters
    ----------
    workspace
        Its data give the numbers of visits; None, or a workspace without data, means the paper's numbers.

    Returns
    -------
    source : str
        Where the numbers of visits come from, in words.
    costs : list
        In the order in which the stages run.
    """
    source, traits, sets = _count_workspace(workspace, request.params) or _count_paper()
    runtime = Runtime(request.runtime.model_copy(update={"devices": 1}))
    measured: dict[str, StepTime] = {}
    costs = []
    for stage in request.stages:
        kind, _, task = stage.partition("@")
        targets = traits if task == TRAITS else 1
        if kind not in measured:  # the networks of two tasks differ in their head alone
            build, inputs = _network(kind, task, targets, request.params.preset, runtime)
            optimiser = getattr(request.params.preset, kind).optimiser
            batch = -(-optimiser.batch_size // request.runtime.devices)
            measured[kind] = time_steps(build(), inputs, batch, optimiser, runtime)
        with torch.device("meta"):
            network = _network(kind, task, targets, request.params.preset, runtime)[0]()
        parameters = sum(one.numel() for one in network.parameters() if one.requires_grad)
        costs.append(_cost(stage, parameters, request, sets[stage], measured[kind]))
    return source, costs


def time_steps(task: nn.Module, inputs: Inputs, batch: int, config: OptimiserConfig, runtime: Runtime) -> StepTime:
    """Time training steps of a network; the batch is made smaller where whole ones would take more than :data:`SECONDS`."""
    device = runtime.device
    wrapped, optimiser = runtime.prepare(task.to(device).train(), build_optimiser(task, config))

    def step(size: int) -> None:
        runtime.fabric.backward(wrapped(*inputs(size))["loss"])
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def forward(size: int) -> None:
        with torch.no_grad():
            wrapped(*inputs(size))

    smallest = min(SMALLEST, batch)
    first = _seconds(lambda: step(smallest), device)  # reserves memory and chooses kernels
    if first > SECONDS:
        return StepTime(smallest, first / smallest, _seconds(lambda: forward(smallest), device) / smallest, None)
    per_visit = _seconds(lambda: step(smallest), device) / smallest
    size = max(smallest, min(batch, int(SECONDS / (STEPS * per_visit))))
    if device.type == "cuda":
        step(size)
        torch.cuda.reset_peak_memory_stats(device)
    spent = sorted(_seconds(lambda: step(size), device) for _ in range(STEPS))[STEPS // 2]
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return StepTime(size, spent / size, _seconds(lambda: forward(size), device) / size, memory)


def batches_per_epoch(data: TrainSet, batch_size: int, negatives_per_case: int, *, drop_last: bool) -> int:
    """Batches of one epoch, as :mod:`eccl.training.inputs.sampling` forms them."""
    sizes = [data.visits]
    if data.cases is not None:
        label = np.zeros(data.visits)
        label[: data.cases] = 1
        sizes = [len(group) for group in disease_groups(label, negatives_per_case, 0, 0)]
    return sum(max(1, n // batch_size) if drop_last else -(-n // batch_size) for n in sizes)


def _cost(stage: str, parameters: int, request: TrainingRequest, data: TrainSet, measured: StepTime) -> StageCost:
    kind = stage.partition("@")[0]
    config = getattr(request.params.preset, kind)
    size, accumulate = config.optimiser.batch_size, config.optimiser.accumulate
    negatives = getattr(config, "negatives_per_case", 1)
    batches = batches_per_epoch(data, size, negatives, drop_last=kind == "align")
    steps = -(-batches // accumulate)
    views = {"pretrain_ecg": 0, "align": 1}.get(kind, 1 + getattr(config, "teacher_views", 0))
    seconds = measured.seconds * batches * size * config.optimiser.epochs / request.runtime.devices
    seconds += measured.forward_seconds * views * data.described  # one process writes the features
    per_step = measured.seconds * size * accumulate / request.runtime.devices
    total = steps * config.optimiser.epochs
    return StageCost(
        stage, parameters, size, steps, total, measured.batch, per_step, seconds / 3600, measured.memory_bytes
    )


def _network(
    kind: str, task: str, targets: int, preset: Preset, runtime: Runtime
) -> tuple[Callable[[], nn.Module], Inputs]:
    """Training task of a stage, and its inputs by batch size."""
    spec, cmr = preset.pretrain_ecg.encoder, preset.pretrain_cmr.encoder

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, device=runtime.device)

    def cines(size: int) -> Tensor:
        return random(size, FRAMES, cmr.image_size, cmr.image_size)

    if kind == "pretrain_ecg":
        masking = preset.pretrain_ecg.masking
        return lambda: MaskedAutoencoder(spec, masking), lambda size: (
            random(size, LEADS, SAMPLES),
            random(size, spec.patches),
        )
    if kind == "pretrain_cmr":
        return (
            lambda: SupervisedTask(Supervised(CmrEncoder(cmr), targets), task),
            lambda size: (cines(size), random(size, targets).round()),
        )
    config = preset.align
    has_teacher = config.contrastive_weight > 0
    with torch.device("meta"):
        width = CmrEncoder(cmr).feature_dim if has_teacher else None
    is_live = has_teacher and config.teacher == "live"
    teacher: list[FrozenEncoder] = []  # built when the first batch is: parameters alone are counted without it

    def aligned(size: int) -> tuple[Tensor, ...]:
        shown = random(size, LEADS, SAMPLES), random(size, targets).round()
        if width is None:
            return shown
        if not is_live:
            return *shown, random(size, width)
        if not teacher:
            teacher.append(FrozenEncoder(CmrEncoder(cmr).to(runtime.device)))
        with runtime.autocast():
            return *shown, teacher[0](cines(size)).float()

    return lambda: AlignTask(align.build(spec, config, width, targets), task, config), aligned


def _count_paper() -> tuple[str, int, dict[str, TrainSet]]:
    cases = {
        TRAITS: None,
        **{code: round(PAPER_PREVALENCE.get(code, OTHER_PREVALENCE) * PAPER_TRAIN) for code in TASKS[1:]},
    }
    sets = {"pretrain_ecg": TrainSet(PAPER_TRAIN, None, PAPER_ALL)}
    for stage in ("pretrain_cmr", "align"):
        sets |= {f"{stage}@{task}": TrainSet(PAPER_TRAIN, number, PAPER_ALL) for task, number in cases.items()}
    return f"no data here yet; the paper's {PAPER_TRAIN:,} training pairs", PAPER_TRAITS, sets


def _count_workspace(
    workspace: Workspace | None, params: TrainingParams
) -> tuple[str, int, dict[str, TrainSet]] | None:
    if workspace is None:
        return None
    data, preset = workspace.data, params.preset
    try:
        recordings, (cines, _) = recording_visits(data), cine_visits(data)
        of_pair, _ = paired_visits(data, recordings, cines)
        traits = len(trait_fields(data))
    except WorkspaceError:
        return None
    pairs = recordings.take(np.sort(of_pair))
    shown = recordings.select("train", preset.pretrain_ecg.instances)
    sets = {"pretrain_ecg": TrainSet(len(shown), None, len(recordings))}
    for stage, visits in (("pretrain_cmr", cines), ("align", pairs)):
        train = visits.select("train", getattr(preset, stage).instances)
        for task in TASKS:
            cases, count = None, len(train)
            if task != TRAITS:
                label = disease_labels(data, visits, task, params.label_definition)[train, 0]
                cases, count = int(np.nansum(label)), int((~np.isnan(label)).sum())
            sets[f"{stage}@{task}"] = TrainSet(count, cases, len(visits))
    total = len(pairs.select("train", preset.align.instances))
    return f"this workspace's data: {total:,} training pairs", traits, sets


def _seconds(call: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _or_none(check: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return check()
    except ConfigError as error:
        problems.append(str(error))
        return None
