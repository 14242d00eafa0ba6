"""The stages of a preset with their costs, on the data of a workspace or, where there is none yet, on the paper's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eccl.errors import ConfigError, WorkspaceError
from eccl.training.cost.estimate import (
    StageEstimate,
    Steps,
    TrainSet,
    estimate_align,
    estimate_pretrain_cmr,
    estimate_pretrain_ecg,
)
from eccl.training.inputs.targets import TRAITS, disease_labels, trait_fields
from eccl.training.inputs.visits import Visits, cine_visits, paired_visits, recording_visits
from eccl.training.loop.runtime import RuntimeConfig, runtime_from_environment
from eccl.training.settings.config import TASKS, TrainingParams, check_devices, load_params
from eccl.workspace import Workspace

TRAINING_STAGES = ("pretrain_ecg", *(f"{stage}@{task}" for stage in ("pretrain_cmr", "align") for task in TASKS))

T = TypeVar("T")

# Ding et al. 2024: pairs of the train split and of all splits, and prevalences.
PAPER_TRAIN, PAPER_ALL, PAPER_TRAITS = 24_908, 41_519, 82
PAPER_PREVALENCE = {"I21": 0.022, "I42": 0.004, "I48": 0.039, "I50": 0.012}


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is to be trained, and where."""

    stages: tuple[str, ...]
    params: TrainingParams
    runtime: RuntimeConfig


@dataclass(frozen=True, slots=True)
class TrainingPlanTable:
    """Costs of stages.

    Parameters
    ----------
    source
        In words: where the numbers of visits come from.
    stages
        In the order in which they run.
    """

    source: str
    stages: tuple[StageEstimate, ...]


def choose_training_stages(wanted: list[str] | None) -> list[str]:
    """Expand names and groups to the stages that train; ``evaluate`` is known and trains nothing.

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
    """Check everything that a training needs to know before a device or a file is touched.

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
        Whatever is wrong with stages, preset, runtime, and all of them together.
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


def _or_none(check: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return check()
    except ConfigError as error:
        problems.append(str(error))
        return None


def plan_training(workspace: Workspace | None, request: TrainingRequest) -> TrainingPlanTable:
    """Estimate the stages of a request.

    Parameters
    ----------
    workspace
        Its data decides how many visits there are; None, or a workspace without data, means the paper's numbers.
    request
        From :func:`check_training`.
    """
    counts = _count(workspace, request.params) or _paper_counts()
    preset, devices, found = request.params.preset, request.runtime.devices, []
    known: Steps = {}
    for stage in request.stages:
        name, _, task = stage.partition("@")
        data = counts.sets[stage]
        if name == "pretrain_ecg":
            found.append(estimate_pretrain_ecg(preset, data, devices))
        else:
            targets = counts.traits if task == TRAITS else 1
            estimate = estimate_pretrain_cmr if name == "pretrain_cmr" else estimate_align
            found.append(estimate(preset, task, targets, data, devices, known))
    return TrainingPlanTable(counts.source, tuple(found))


@dataclass(frozen=True, slots=True)
class _Counts:
    source: str
    traits: int
    sets: dict[str, TrainSet]


def _paper_counts() -> _Counts:
    cases = {TRAITS: None, **{code: round(share * PAPER_TRAIN) for code, share in PAPER_PREVALENCE.items()}}
    sets = {"pretrain_ecg": TrainSet(PAPER_TRAIN, None, PAPER_ALL)}
    for stage in ("pretrain_cmr", "align"):
        sets |= {f"{stage}@{task}": TrainSet(PAPER_TRAIN, number, PAPER_ALL) for task, number in cases.items()}
    return _Counts(f"no data here yet; the paper's {PAPER_TRAIN:,} training pairs", PAPER_TRAITS, sets)


def _count(workspace: Workspace | None, params: TrainingParams) -> _Counts | None:
    if workspace is None:
        return None
    data, preset = workspace.data, params.preset
    try:
        recordings, (cines, _) = recording_visits(data), cine_visits(data)
        of_pair, _ = paired_visits(data, recordings, cines)
        fields = trait_fields(data)
    except WorkspaceError:
        return None
    pairs = recordings.take(np.sort(of_pair))
    sets = {"pretrain_ecg": _train_set(recordings, preset.pretrain_ecg.instances, None)}
    for task in TASKS:
        for stage, visits, instances in (
            ("pretrain_cmr", cines, preset.pretrain_cmr.instances),
            ("align", pairs, preset.align.instances),
        ):
            label = None if task == TRAITS else disease_labels(data, visits, task, params.label_definition)[:, 0]
            sets[f"{stage}@{task}"] = _train_set(visits, instances, label)
    total = len(pairs.select("train", preset.align.instances))
    return _Counts(f"this workspace's data: {total:,} training pairs", len(fields), sets)


def _train_set(visits: Visits, instances: tuple[int, ...], label: NDArray[np.float64] | None) -> TrainSet:
    train = visits.select("train", instances)
    if label is None:
        return TrainSet(len(train), None, len(visits))
    known = label[train][~np.isnan(label[train])]
    return TrainSet(len(known), int(known.sum()), len(visits))
