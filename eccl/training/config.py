"""Configuration of the stages: frozen dataclasses, filled from ``presets`` in params.yaml, where every number is."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from eccl.errors import ConfigError
from eccl.models.specs import SAMPLES, AlignmentSpec, CmrEncoderSpec, EcgEncoderSpec, MaskingSpec

T = TypeVar("T")
TASKS = ("traits", "I21", "I42", "I48", "I50")


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """How weights are moved.

    Parameters
    ----------
    name
        ``adamw`` (default of both presets) or ``adam``, which the paper names.
    epochs, batch_size
        An epoch of a disease task runs over all its groups, see :mod:`eccl.training.sampling`.
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
        for name in ("epochs", "batch_size", "learning_rate"):
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
    """

    seed: int
    instances: tuple[int, ...]
    start_from_mae: bool
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


def load_params(path: Path) -> TrainingParams:
    """Read the chosen preset.

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
    name = str(content.get("preset"))
    if name not in presets:
        raise ConfigError(
            f"preset: {name!r} is not one of `presets` ({', '.join(presets) or 'none'}); choose one of them"
        )
    problems: list[str] = []
    definition = (content.get("cohort") or {}).get("label_definition")
    if definition not in {"ever", "prevalent", "incident"}:
        problems.append(f"cohort.label_definition: {definition!r} is none of ever, prevalent, incident")
    preset = _fill(Preset, presets[name], f"presets.{name}", problems)
    if problems or preset is None:
        raise ConfigError(f"params.yaml has {len(problems)} problems; mend them all:\n  " + "\n  ".join(problems))
    return TrainingParams(name, preset, str(definition))


def from_mapping(kind: type[T], content: Mapping[str, Any], name: str) -> T:
    """Fill one configuration class, e.g. from the parameters in a run.json.

    Raises
    ------
    ConfigError
        Lists everything that does not fit.
    """
    problems: list[str] = []
    filled = _fill(kind, content, name, problems)
    if problems or filled is None:
        raise ConfigError(f"{name} does not fit {kind.__name__}:\n  " + "\n  ".join(problems))
    return filled


def _fill(kind: type[T], content: Any, path: str, problems: list[str]) -> T | None:
    if not isinstance(content, Mapping):
        problems.append(f"{path}: expected a mapping, found {type(content).__name__}")
        return None
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(typing.cast(Any, kind))]
    problems += [f"{path}.{key}: unknown key (known: {', '.join(names)})" for key in content if key not in names]
    problems += [f"{path}.{name}: missing" for name in names if name not in content]
    values = {
        name: _convert(hints[name], content[name], f"{path}.{name}", problems) for name in names if name in content
    }
    # No field may be None, so None marks what could not be read. A part that was read but is wrong does not keep the
    # whole from being checked: everything is reported together.
    if any(value is None for value in values.values()) or len(values) < len(names):
        return None
    filled = kind(**values)
    check = getattr(filled, "problems", None)
    problems += [f"{path}: {problem}" for problem in check()] if check else []
    return filled


def _convert(hint: Any, value: Any, path: str, problems: list[str]) -> Any:
    if dataclasses.is_dataclass(hint):
        return _fill(typing.cast(type[Any], hint), value, path, problems)
    if typing.get_origin(hint) is tuple:
        return _convert_tuple(typing.get_args(hint), value, path, problems)
    # PyYAML reads 8e-5 (no dot) as text; the file stays readable if that is understood.
    if hint is float and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            pass
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (isinstance(value, float) or is_number) and math.isfinite(value):
        return float(value)
    if (hint is int and is_number) or (hint in (str, bool) and isinstance(value, hint)):
        return value
    problems.append(f"{path}: expected {getattr(hint, '__name__', hint)}, found {value!r}")
    return None


def _convert_tuple(hints: tuple[Any, ...], value: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(value, list | tuple):
        problems.append(f"{path}: expected a list, found {value!r}")
        return None
    if len(hints) == 2 and isinstance(hints[1], types.EllipsisType):
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        problems.append(f"{path}: expected {len(hints)} values, found {len(value)}")
        return None
    pairs = enumerate(zip(hints, value, strict=True))
    values = tuple(_convert(hint, one, f"{path}[{i}]", problems) for i, (hint, one) in pairs)
    return None if None in values else values


def _is_share(config: Any, name: str) -> bool:
    return 0 <= float(getattr(config, name)) <= 1


def _visit_problems(instances: tuple[int, ...], seed: int = 0) -> list[str]:
    found = [] if seed >= 0 else [f"seed {seed} is negative"]
    if instances and set(instances) <= {2, 3} and len(set(instances)) == len(instances):
        return found
    return [*found, f"instances {list(instances)} must be imaging visits, [2], [3] or [2, 3]"]


def _ratio_problems(negatives_per_case: int) -> list[str]:
    return [] if negatives_per_case >= 1 else [f"negatives_per_case {negatives_per_case} is not positive"]
