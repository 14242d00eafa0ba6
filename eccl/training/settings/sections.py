"""Sections of a preset in params.yaml; every number of a run is in that file, none has a default here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from eccl.models.specs import (
    SAMPLES,
    AlignmentSpec,
    CmrEncoderSpec,
    CrossModalSpec,
    EcgEncoderSpec,
    MaskingSpec,
    Positive,
)
from eccl.sections import Integers, Rate, Section, Share


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
