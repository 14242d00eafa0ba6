"""Configuration of the stages: frozen dataclasses, filled from ``presets`` in params.yaml, where every number is."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from eccl.errors import ConfigError
from eccl.models.specs import SAMPLES, AlignmentSpec, CmrEncoderSpec, EcgEncoderSpec, MaskingSpec
from eccl.store.files import replace_file
from eccl.training.arms import TASKS as TASKS
from eccl.training.filling import fill


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """How weights are moved.

    Parameters
    ----------
    name
        ``adamw`` (default of both presets) or ``adam``, which the paper names.
    epochs, batch_size
        An epoch of a disease task runs over all its groups, see :mod:`eccl.training.sampling`. A batch is shared out
        over the devices.
    accumulate
        Batches whose gradients are averaged into one step of the optimiser. A contrastive batch still has only its own
        negatives.
    learning_rate
        Absolute peak rate; it is not scaled by the batch size.
    warmup_epochs
        Epochs of linear warm-up; then half a cosine down to 0. Counted in optimiser steps.
    weight_decay, betas
        Biases, normalisations, tokens and positions are not decayed. ``adamw`` shrinks the weights, ``adam`` adds the
        decay to the gradient.
    patience
        Epochs without a better validation score before training stops, counted from the end of the warm-up at the
        earliest; 0 never stops early.
    """

    name: str
    epochs: int
    batch_size: int
    accumulate: int
    learning_rate: float
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]
    patience: int

    def problems(self) -> list[str]:
        """Why this cannot be trained; empty if it can."""
        found = []
        if self.name not in {"adamw", "adam"}:
            found.append(f"name {self.name!r} is neither adamw nor adam")
        for name in ("epochs", "batch_size", "accumulate", "learning_rate"):
            if getattr(self, name) <= 0:
                found.append(f"{name} {getattr(self, name)} is not positive")
        if not 0 <= self.warmup_epochs < max(self.epochs, 1):
            found.append(f"warmup_epochs {self.warmup_epochs} is not in [0, epochs {self.epochs})")
        if not all(0 <= beta < 1 for beta in self.betas):
            found.append(f"betas {list(self.betas)} are not in [0, 1)")
        if self.weight_decay < 0 or self.patience < 0:
            found.append("weight_decay and patience must not be negative")
        return found


@dataclass(frozen=True, slots=True)
class EcgAugmentConfig:
    """Random changes of a recording while training.

    Parameters
    ----------
    crop_samples
        Length of the random crop; 5000 means no crop.
    crop_policy
        How a crop becomes 5000 samples again. ``pad``: zeros after it, the time scale stays. ``resize``: linear
        interpolation, which changes the heart rate.
    time_flip, sign_flip
        Probability of reversing time, and of inverting all leads.
    flip_for_diseases
        False leaves both flips out for disease tasks, where an inverted lead is itself a finding.
    scaling
        ``lead_minmax``: every lead to [-1, 1] (the paper). ``millivolt``: millivolts clipped to [-5, 5], which keeps
        amplitudes comparable.
    """

    crop_samples: int
    crop_policy: str
    time_flip: float
    sign_flip: float
    flip_for_diseases: bool
    scaling: str

    def problems(self) -> list[str]:
        """Why this cannot be done; empty if it can."""
        found = []
        if not 1 <= self.crop_samples <= SAMPLES:
            found.append(f"crop_samples {self.crop_samples} is not in [1, {SAMPLES}]")
        if self.crop_policy not in {"pad", "resize"}:
            found.append(f"crop_policy {self.crop_policy!r} is neither pad nor resize")
        if self.scaling not in {"lead_minmax", "millivolt"}:
            found.append(f"scaling {self.scaling!r} is neither lead_minmax nor millivolt")
        return found + [f"{name} is not in [0, 1]" for name in ("time_flip", "sign_flip") if not _is_share(self, name)]


@dataclass(frozen=True, slots=True)
class CineConfig:
    """How a stored window becomes the network's input, in one interpolation.

    Parameters
    ----------
    crop
        ``box``: the smallest square, in millimetres, around the heart box. ``fixed``: a square of `side_mm` around its
        centre.
    margin
        Share by which the box's square is enlarged.
    side_mm
        Side of the fixed square; 80 pixels at UK Biobank's usual 1.83 mm are 146 mm.
    rotation_degrees
        Training only: angle drawn from [-x, x].
    scale
        Training only: factor on the side of the square; [0.894, 1] is 80 to 100 % of its area.
    horizontal_flip
        Training only: probability of mirroring. The paper does not mirror; it would swap left and right ventricle.
    """

    crop: str
    margin: float
    side_mm: float
    rotation_degrees: float
    scale: tuple[float, float]
    horizontal_flip: float

    def problems(self) -> list[str]:
        """Why this cannot be done; empty if it can."""
        found = []
        if self.crop not in {"box", "fixed"}:
            found.append(f"crop {self.crop!r} is neither box nor fixed")
        if self.margin < 0 or self.side_mm <= 0:
            found.append(f"margin {self.margin} must not be negative and side_mm {self.side_mm} must be positive")
        if not 0 < self.scale[0] <= self.scale[1]:
            found.append(f"scale {list(self.scale)} is not an ascending pair of positive factors")
        if not _is_share(self, "horizontal_flip"):
            found.append("horizontal_flip is not in [0, 1]")
        return found


@dataclass(frozen=True, slots=True)
class PretrainEcgConfig:
    """Masked pre-training on the train split's recordings."""

    seed: int
    instances: tuple[int, ...]
    encoder: EcgEncoderSpec
    masking: MaskingSpec
    augment: EcgAugmentConfig
    optimiser: OptimiserConfig

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        return _visit_problems(self.instances, self.seed)


@dataclass(frozen=True, slots=True)
class PretrainCmrConfig:
    """Supervised training of a CMR encoder, which is then frozen.

    Parameters
    ----------
    teacher_views
        Augmented views K of every cine in the teacher cache, besides the clean one.
    negatives_per_case
        Disease tasks: visits without the disease for each visit with it, in every group.
    """

    seed: int
    instances: tuple[int, ...]
    encoder: CmrEncoderSpec
    cine: CineConfig
    teacher_views: int
    negatives_per_case: int
    optimiser: OptimiserConfig

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        found = _visit_problems(self.instances, self.seed)
        if not 0 <= self.teacher_views <= 32767:
            found.append(f"teacher_views {self.teacher_views} is not in [0, 32767]")
        return found + _ratio_problems(self.negatives_per_case)


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """ECCL: contrastive and task loss on recordings, with the frozen CMR encoder's features as the other side.

    Parameters
    ----------
    start_from_mae
        False starts the ECG encoder from random weights (the paper's row without self-supervision).
    dropout
        Dropout of the ECG encoder in this stage.
    contrastive_weight
        0 leaves the contrastive term out (the paper's row without contrastive learning).
    task_weight
        Lambda of the paper, 1.
    teacher
        ``cached``: the frozen CMR encoder's features come from the store, one of its K augmented views at random.
        ``live``: it sees a freshly drawn view of the cine in every step, as in the paper.
    """

    seed: int
    instances: tuple[int, ...]
    start_from_mae: bool
    teacher: str
    dropout: float
    alignment: AlignmentSpec
    contrastive_weight: float
    task_weight: float
    negatives_per_case: int
    augment: EcgAugmentConfig
    optimiser: OptimiserConfig

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        found = _visit_problems(self.instances, self.seed) + _ratio_problems(self.negatives_per_case)
        if not 0 <= self.dropout < 1:
            found.append(f"dropout {self.dropout} is not in [0, 1)")
        if self.teacher not in {"cached", "live"}:
            found.append(f"teacher {self.teacher!r} is neither cached nor live")
        if min(self.contrastive_weight, self.task_weight) < 0 or self.contrastive_weight + self.task_weight == 0:
            found.append("contrastive_weight and task_weight must not be negative, nor both 0")
        if self.contrastive_weight > 0 and self.optimiser.batch_size < 2:
            found.append("a contrastive batch of 1 has no negatives; batch_size must be at least 2")
        return found


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Which visits the reported scores are computed on."""

    instances: tuple[int, ...]

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        return _visit_problems(self.instances)


@dataclass(frozen=True, slots=True)
class Preset:
    """Every number of one complete run of the method."""

    pretrain_ecg: PretrainEcgConfig
    pretrain_cmr: PretrainCmrConfig
    align: AlignConfig
    evaluation: EvaluationConfig


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """What the stages take from params.yaml."""

    name: str
    preset: Preset
    label_definition: str


def load_params(
    path: Path, preset_name: str | None = None, changes: Mapping[str, Any] = MappingProxyType({})
) -> TrainingParams:
    """Read a preset, by default the one that params.yaml chooses.

    Parameters
    ----------
    changes
        Key from the preset's root -> value, see :func:`eccl.training.arms.changes_of`.

    Raises
    ------
    ConfigError
        Lists every unknown key, missing key, wrong type and wrong combination of the chosen preset together.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"params.yaml is not YAML: {error}") from error
    content = content if isinstance(content, dict) else {}
    presets = content.get("presets") or {}
    name = str(content.get("preset")) if preset_name is None else preset_name
    if name not in presets:
        raise ConfigError(
            f"preset: {name!r} is not one of `presets` ({', '.join(presets) or 'none'}); choose one of them"
        )
    problems: list[str] = []
    definition = (content.get("cohort") or {}).get("label_definition")
    if definition not in {"ever", "prevalent", "incident"}:
        problems.append(f"cohort.label_definition: {definition!r} is none of ever, prevalent, incident")
    preset = fill(Preset, _changed(presets[name], changes, problems), f"presets.{name}", problems)
    if problems or preset is None:
        raise ConfigError(f"params.yaml has {len(problems)} problems; mend them all:\n  " + "\n  ".join(problems))
    return TrainingParams(name, preset, str(definition))


def _changed(preset: Any, changes: Mapping[str, Any], problems: list[str]) -> Any:
    """A preset with some values replaced; ``{use: PATH}`` is the value at another key of it."""
    preset = copy.deepcopy(preset)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = _find(preset, path)
        if not isinstance(place, dict) or last not in place:
            problems.append(f"{key}: there is no such key to change")
            continue
        if isinstance(value, Mapping) and set(value) == {"use"}:
            used = _find(preset, str(value["use"]).split("."))
            problems += [] if used is not None else [f"{key}: the preset has no {value['use']} to use"]
            value = copy.deepcopy(used)
        place[last] = value
    return preset


def _find(content: Any, path: list[str]) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def choose_preset(path: Path, name: str) -> None:
    """Write a preset's name into params.yaml, where DVC looks for it; the change is git's to show.

    Raises
    ------
    ConfigError
        The preset is not there or has problems; nothing is written then.
    """
    load_params(path, name)
    text, count = re.subn(r"(?m)^(preset:\s*)\S+", rf"\g<1>{name}", path.read_text(), count=1)
    if not count:
        raise ConfigError(f"{path.name} has no line `preset: NAME` to change; add one")
    replace_file(path, text.encode())


def check_devices(preset: Preset, devices: int) -> None:
    """Refuse batches that cannot be shared out.

    Raises
    ------
    ConfigError
        Lists every stage whose batch is no multiple of the number of devices.
    """
    sizes = {name: getattr(preset, name).optimiser.batch_size for name in ("pretrain_ecg", "pretrain_cmr", "align")}
    wrong = [f"{name}: batch_size {size}" for name, size in sizes.items() if size % devices]
    if wrong:
        raise ConfigError(
            f"{'; '.join(wrong)} cannot be shared out over {devices} devices; expected a multiple of {devices}"
        )


def _is_share(config: Any, name: str) -> bool:
    return 0 <= float(getattr(config, name)) <= 1


def _visit_problems(instances: tuple[int, ...], seed: int = 0) -> list[str]:
    found = [] if seed >= 0 else [f"seed {seed} is negative"]
    if instances and set(instances) <= {2, 3} and len(set(instances)) == len(instances):
        return found
    return [*found, f"instances {list(instances)} must be imaging visits, [2], [3] or [2, 3]"]


def _ratio_problems(negatives_per_case: int) -> list[str]:
    return [] if negatives_per_case >= 1 else [f"negatives_per_case {negatives_per_case} is not positive"]
