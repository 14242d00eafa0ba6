"""Sections of a preset: what each stage can be told, every field with a sentence, and what is wrong with a combination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eccl.models.specs import (
    POOLINGS,
    SAMPLES,
    AlignmentSpec,
    CmrEncoderSpec,
    CrossModalSpec,
    EcgEncoderSpec,
    MaskingSpec,
)

STARTS = ("pretrain_ecg", "pretrain_cmae", "nothing")
"""Where the ECG encoder of an alignment may start."""


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """How weights are moved.

    Parameters
    ----------
    name
        ``adamw`` (default of both presets) or ``adam``, which the paper names.
    epochs, batch_size
        An epoch of a disease task runs over all its groups, see :mod:`eccl.training.inputs.sampling`. A batch is shared out
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
    start_from
        Whose weights the ECG encoder starts with: ``pretrain_ecg`` (the paper), ``pretrain_cmae``, or ``nothing``: random weights
        (the paper's row without self-supervision).
    pooling
        How the encoder's tokens become features, see :class:`eccl.models.ecg_vit.EcgEncoder`.
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
    start_from: str
    pooling: str
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
        if self.start_from not in STARTS:
            found.append(f"start_from {self.start_from!r} is none of {', '.join(STARTS)}")
        if self.pooling not in POOLINGS:
            found.append(f"pooling {self.pooling!r} is none of {', '.join(POOLINGS)}")
        if self.teacher not in {"cached", "live"}:
            found.append(f"teacher {self.teacher!r} is neither cached nor live")
        if min(self.contrastive_weight, self.task_weight) < 0 or self.contrastive_weight + self.task_weight == 0:
            found.append("contrastive_weight and task_weight must not be negative, nor both 0")
        if self.contrastive_weight > 0 and self.optimiser.batch_size < 2:
            found.append("a contrastive batch of 1 has no negatives; batch_size must be at least 2")
        return found


@dataclass(frozen=True, slots=True)
class PretrainCmaeConfig:
    """Cross-modal autoencoding of the train split's pairs; the encoders' shapes are those of the two other pre-trainings."""

    seed: int
    instances: tuple[int, ...]
    autoencoder: CrossModalSpec
    cine: CineConfig
    augment: EcgAugmentConfig
    optimiser: OptimiserConfig

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        found = _visit_problems(self.instances, self.seed)
        if self.autoencoder.contrastive_weight > 0 and self.optimiser.batch_size < 2:
            found.append("a contrastive batch of 1 has no negatives; batch_size must be at least 2")
        return found


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """A linear model on the embeddings of ``align-traits``.

    Parameters
    ----------
    strengths
        Strengths of the squared penalty to choose from on the validation split.
    """

    seed: int
    instances: tuple[int, ...]
    strengths: tuple[float, ...]

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        found = _visit_problems(self.instances, self.seed)
        if not self.strengths or min(self.strengths) <= 0:
            found.append(f"strengths {list(self.strengths)} must be positive, at least one")
        return found


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Networks by name that an arm may take in place of the preset's, with ``{use: alternatives.ecg.small_vit}``."""

    cmr: Mapping[str, CmrEncoderSpec]
    ecg: Mapping[str, EcgEncoderSpec]


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Which visits the reported scores are computed on."""

    instances: tuple[int, ...]

    def problems(self) -> list[str]:
        """Wrong combinations; empty if there are none."""
        return _visit_problems(self.instances)


def _is_share(config: Any, name: str) -> bool:
    return 0 <= float(getattr(config, name)) <= 1


def _visit_problems(instances: tuple[int, ...], seed: int = 0) -> list[str]:
    found = [] if seed >= 0 else [f"seed {seed} is negative"]
    if instances and set(instances) <= {2, 3} and len(set(instances)) == len(instances):
        return found
    return [*found, f"instances {list(instances)} must be imaging visits, [2], [3] or [2, 3]"]


def _ratio_problems(negatives_per_case: int) -> list[str]:
    return [] if negatives_per_case >= 1 else [f"negatives_per_case {negatives_per_case} is not positive"]
