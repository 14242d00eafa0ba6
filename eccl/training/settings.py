"""The preset of a training: read from ``presets`` of params.yaml, changed by an arm, checked as a whole.

Every number of a run is in that file; none has a default here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from eccl.data.files import replace_file
from eccl.errors import ConfigError
from eccl.models.specs import (
    SAMPLES,
    AlignmentSpec,
    CmrEncoderSpec,
    CrossModalSpec,
    EcgEncoderSpec,
    MaskingSpec,
    Positive,
)
from eccl.sections import RENAMED, Integers, Rate, Section, Share, check_section
from eccl.yaml_text import parse_yaml

TASKS = ("traits", "I21", "I42", "I48", "I50")
ALL = "all"
"""Task of one network for the traits and every disease."""
DISEASES = TASKS[1:]
"""ICD-10 codes in the order of the columns of task ``all``, after the traits."""
TASKLESS = ("pretrain_ecg", "pretrain_cmae")
"""Stages without a task."""


def _check_visits(instances: tuple[int, ...]) -> tuple[int, ...]:
    if not instances or not set(instances) <= {2, 3} or len(set(instances)) < len(instances):
        raise ValueError(f"instances {list(instances)} must be imaging visits, [2], [3] or [2, 3]")
    return instances


def _check_scale(scale: tuple[float, float]) -> tuple[float, float]:
    if not 0 < scale[0] <= scale[1]:
        raise ValueError(f"scale {list(scale)} is not an ascending pair of positive factors")
    return scale


Seed = Annotated[int, Field(ge=0, description="seed of everything that is drawn at random")]
Visits = Annotated[
    Integers, AfterValidator(_check_visits), Field(description="imaging visits (UK Biobank instances) that are used")
]
PositiveNumber = Annotated[float, Field(gt=0)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class OptimiserConfig(Section):
    """Optimiser, its learning rate, and when training ends."""

    name: Literal["adamw", "adam"] = Field(
        description="adamw shrinks the weights; adam, which the paper names, adds the decay to the gradient"
    )
    epochs: Positive = Field(description="an epoch of a disease task shows all its groups of cases and controls")
    batch_size: Positive = Field(description="visits per batch; a batch is divided among the devices")
    accumulate: Positive = Field(
        description="batches whose gradients are averaged into one step; a contrastive batch has only its own negatives"
    )
    learning_rate: PositiveNumber = Field(description="absolute peak rate; it is not scaled by the batch size")
    warmup_epochs: int = Field(
        ge=0, description="epochs of linear warm-up, then half a cosine down to 0; counted in optimiser steps"
    )
    weight_decay: float = Field(
        ge=0, description="not applied to biases, normalisations, tokens and positions, and the temperature"
    )
    betas: Annotated[tuple[BelowOne, BelowOne], Field(strict=False)] = Field(description="Adam's betas")
    patience: int = Field(
        ge=0,
        description="epochs without a better validation score before training stops, counted from the end of the warm-up "
        "at the earliest; 0 never stops early",
    )

    @field_validator("warmup_epochs")
    @classmethod
    def _warmup_ends(cls, warmup: int, info: ValidationInfo) -> int:
        epochs = info.data.get("epochs")
        if epochs is not None and warmup >= epochs:
            raise ValueError(f"warmup_epochs {warmup} is not in [0, epochs {epochs})")
        return warmup


class EcgAugmentConfig(Section):
    """Random changes of a recording while training."""

    crop_samples: int = Field(ge=1, le=SAMPLES, description="length of the random crop; 5000 means no crop")
    crop_policy: Literal["pad", "resize"] = Field(
        description="how a crop becomes 5000 samples again. pad: zeros after it, the time scale is kept; resize: linear "
        "interpolation, which changes the heart rate"
    )
    time_flip: Share = Field(description="probability of reversing time")
    sign_flip: Share = Field(description="probability of inverting all leads")
    flip_for_diseases: bool = Field(
        description="false disables both flips in disease tasks, where an inverted lead is itself a finding"
    )
    scaling: Literal["lead_minmax", "millivolt"] = Field(
        description="lead_minmax: every lead to [-1, 1] (the paper); millivolt: millivolts clipped to [-5, 5], which keeps "
        "amplitudes comparable"
    )


class CineConfig(Section):
    """Transform of a stored window into the network's input, in one interpolation."""

    crop: Literal["box", "fixed"] = Field(
        description="box: the smallest square, in millimetres, around the heart box; fixed: a square of side_mm around its "
        "centre"
    )
    margin: float = Field(ge=0, description="share by which the box's square is enlarged")
    side_mm: PositiveNumber = Field(
        description="side of the fixed square; 80 pixels at UK Biobank's usual 1.83 mm are 146 mm"
    )
    rotation_degrees: float = Field(description="training only: angle drawn from [-x, x]")
    scale: Annotated[tuple[float, float], Field(strict=False), AfterValidator(_check_scale)] = Field(
        description="training only: factor on the side of the square; [0.894, 1] is 80 to 100 % of its area"
    )
    horizontal_flip: Share = Field(
        description="training only: probability of mirroring, which swaps left and right ventricle; the paper does not"
    )


class PretrainEcgConfig(Section):
    """Masked pre-training on the train split's recordings."""

    seed: Seed
    instances: Visits
    encoder: EcgEncoderSpec
    masking: MaskingSpec
    augment: EcgAugmentConfig
    optimiser: OptimiserConfig


class PretrainCmrConfig(Section):
    """Supervised training of a CMR encoder, which is then frozen."""

    seed: Seed
    instances: Visits
    encoder: CmrEncoderSpec
    cine: CineConfig
    teacher_views: int = Field(
        ge=0, le=32767, description="augmented views K of every cine in the teacher cache, besides the clean one"
    )
    negatives_per_case: Positive = Field(description="disease tasks: controls per case in every group")
    optimiser: OptimiserConfig


class AlignConfig(Section):
    """ECCL: contrastive and task loss on recordings, against the frozen CMR encoder's features."""

    seed: Seed
    instances: Visits
    init_from: Literal["pretrain_ecg", "pretrain_cmae", "nothing"] = Field(
        description="run whose encoder weights are loaded: pretrain_ecg (the paper), pretrain_cmae, or nothing, which keeps "
        "random weights (the paper's row without self-supervision)"
    )
    pooling: Literal["token", "mean", "attention"] = Field(
        description="how the encoder's tokens become features, see eccl.models.ecg_vit.EcgEncoder"
    )
    teacher: Literal["cached", "live"] = Field(
        description="cached: the frozen CMR encoder's features are read from the store, one of its K augmented views at "
        "random; live: the encoder is evaluated on a new view of the cine in every step, as in the paper"
    )
    dropout: Rate = Field(description="dropout of the ECG encoder in this stage")
    alignment: AlignmentSpec
    contrastive_weight: float = Field(
        ge=0, description="0 removes the contrastive term (the paper's row without contrastive learning)"
    )
    task_weight: float = Field(ge=0, description="lambda of the paper, 1")
    negatives_per_case: Positive = Field(description="disease tasks: controls per case in every group")
    augment: EcgAugmentConfig
    optimiser: OptimiserConfig

    @model_validator(mode="after")
    def _losses_fit(self) -> Self:
        if self.contrastive_weight + self.task_weight == 0:
            raise ValueError("contrastive_weight and task_weight must not both be 0")
        _check_negatives(self.contrastive_weight, self.optimiser)
        return self


class PretrainCmaeConfig(Section):
    """Cross-modal autoencoding of the train split's pairs, with the encoder shapes of the other two pre-trainings."""

    seed: Seed
    instances: Visits
    autoencoder: CrossModalSpec
    cine: CineConfig
    augment: EcgAugmentConfig
    optimiser: OptimiserConfig

    @model_validator(mode="after")
    def _losses_fit(self) -> Self:
        _check_negatives(self.autoencoder.contrastive_weight, self.optimiser)
        return self


class ProbeConfig(Section):
    """A linear model on the embeddings of ``align-traits``."""

    seed: Seed
    instances: Visits
    strengths: Annotated[tuple[PositiveNumber, ...], Field(strict=False, min_length=1)] = Field(
        description="strengths of the squared penalty, of which the validation split selects one"
    )


class EvaluationConfig(Section):
    """Evaluation on the test split."""

    instances: Visits


class Alternatives(Section):
    """Networks by name that an arm may take in place of the preset's, with ``{use: alternatives.ecg.small_vit}``."""

    cmr: Mapping[str, CmrEncoderSpec] = Field(description="CMR encoders")
    ecg: Mapping[str, EcgEncoderSpec] = Field(description="ECG encoders")


class Preset(Section):
    """Every number of one complete run of the method."""

    pretrain_ecg: PretrainEcgConfig
    pretrain_cmr: PretrainCmrConfig
    align: AlignConfig
    pretrain_cmae: PretrainCmaeConfig
    probe: ProbeConfig
    evaluation: EvaluationConfig
    alternatives: Alternatives

    @model_validator(mode="after")
    def _patches_divide(self) -> Self:
        size, patch = self.pretrain_cmr.encoder.image_size, self.pretrain_cmae.autoencoder.cine_patch
        if size % patch:
            raise ValueError(f"pretrain_cmae.autoencoder.cine_patch {patch} does not divide image_size {size}")
        return self


def _check_negatives(contrastive_weight: float, optimiser: OptimiserConfig) -> None:
    if contrastive_weight > 0 and optimiser.batch_size < 2:
        raise ValueError("a contrastive batch of 1 has no negatives; batch_size must be at least 2")


StageConfig = PretrainEcgConfig | PretrainCmrConfig | PretrainCmaeConfig | AlignConfig | ProbeConfig


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """The part of params.yaml that the stages use."""

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
        Key from the preset's root -> value, see :meth:`eccl.study.arms.Variant.settings`.

    Raises
    ------
    ConfigError
        Lists every unknown key, missing key, wrong type and wrong combination of the chosen preset together.
    """
    params, problems = resolve_params(read_params(path), preset_name, changes)
    if params is None:
        raise ConfigError(f"params.yaml has {len(problems)} problems; correct all of them:\n  " + "\n  ".join(problems))
    return params


def read_params(path: Path) -> dict[str, Any]:
    """Content of params.yaml, unchecked.

    Raises
    ------
    ConfigError
        The file is not YAML.
    """
    try:
        content = parse_yaml(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"params.yaml is not YAML: {error}") from error
    return content if isinstance(content, dict) else {}


def resolve_params(
    content: Mapping[str, Any], preset_name: str | None = None, changes: Mapping[str, Any] = MappingProxyType({})
) -> tuple[TrainingParams | None, list[str]]:
    """A preset of params.yaml's content with some changes, and everything that is wrong with it; None if anything is.

    Raises
    ------
    ConfigError
        There is no such preset.
    """
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
    changed = change_preset(presets[name], changes, problems)
    preset = check_section(Preset, changed, f"presets.{name}", problems)
    if problems or preset is None:
        return None, problems
    return TrainingParams(name, preset, str(definition)), []


def label_problems(config: AlignConfig, tasks: Iterable[str]) -> list[str]:
    """Tasks without the labels that the contrastive loss needs, as problems; empty if there are none."""
    if config.alignment.loss != "label_aware" or config.contrastive_weight <= 0:
        return []
    without = [task for task in tasks if task not in DISEASES]
    return [
        f"align.alignment.loss label_aware needs the labels of one disease, found task {task}; expected one of {', '.join(DISEASES)}"
        for task in without
    ]


def change_preset(preset: Any, changes: Mapping[str, Any], problems: list[str]) -> Any:
    """A preset with some values replaced; ``{use: PATH}`` is the value at another key of it."""
    preset = copy.deepcopy(preset)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = _find(preset, path)
        if not isinstance(place, dict) or last not in place:
            now = f"; this key is now {RENAMED[last]}, rename it" if last in RENAMED else ""
            problems.append(f"{key}: there is no such key to change{now}")
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
    """Write a preset's name into params.yaml, where DVC reads it; git shows the change.

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
    """Refuse batches that cannot be divided among the devices.

    Raises
    ------
    ConfigError
        Lists every stage whose batch is no multiple of the number of devices.
    """
    sizes = {
        name: getattr(preset, name).optimiser.batch_size
        for name in ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align")
    }
    wrong = [f"{name}: batch_size {size}" for name, size in sizes.items() if size % devices]
    if wrong:
        raise ConfigError(
            f"{'; '.join(wrong)} cannot be divided among {devices} devices; expected a multiple of {devices}"
        )
