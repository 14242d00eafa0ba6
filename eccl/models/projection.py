"""Projection heads, the two networks of an encoder and heads, and the frozen teacher."""

from __future__ import annotations

import math
from typing import Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from eccl.models.losses import full_precision
from eccl.models.specs import AlignmentSpec


class Encoder(Protocol):
    """Interface of the encoders of both modalities, all that heads, projections and the frozen teacher use."""

    @property
    def feature_dim(self) -> int:
        """Width of the features."""
        ...

    def __call__(self, batch: Tensor) -> Tensor:
        """Features (batch, feature_dim)."""
        ...


def apply_head(head: nn.Module, features: Tensor) -> Tensor:
    """Apply a head in float32, also for an encoder in bfloat16.

    Outputs in half precision take few distinct values: ties would decide an AUC.
    """
    with full_precision(features):
        outputs: Tensor = head(features.float())
    return outputs


class Supervised(nn.Module):
    """An encoder and one linear head: the supervised CMR network, later the teacher.

    Parameters
    ----------
    encoder
        See :class:`Encoder`.
    targets
        Outputs of the head: the number of traits, or 1 for a disease.
    """

    def __init__(self, encoder: nn.Module, targets: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(cast(Encoder, encoder).feature_dim, targets)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Features (batch, feature_dim) and outputs (batch, targets)."""
        features = self.encoder(batch)
        return features, apply_head(self.head, features)


class Aligned(nn.Module):
    """The ECG side of ECCL: encoder, task head and, where there is a teacher, both projections.

    The CMR side enters as features of the frozen teacher, so nothing of it can change here.

    Parameters
    ----------
    encoder
        ECG encoder, see :class:`Encoder`.
    teacher_dim
        Width of the teacher's features; None without a teacher: there are no projections then, and the task alone is
        learned.
    targets
        Outputs of the task head, which reads the ECG features before their projection.
    """

    def __init__(self, encoder: nn.Module, teacher_dim: int | None, targets: int, spec: AlignmentSpec) -> None:
        super().__init__()
        feature_dim = cast(Encoder, encoder).feature_dim
        self.encoder = encoder
        # Before the projections, so that it starts from the same weights with and without them.
        self.task_head = nn.Linear(feature_dim, targets)
        self.has_projections = teacher_dim is not None
        if teacher_dim is None:
            return
        # One linear layer with bias each, as the paper's g_e and g_c.
        self.ecg_projection = nn.Linear(feature_dim, spec.projection_width)
        self.cmr_projection = nn.Linear(teacher_dim, spec.projection_width)
        log_temperature = torch.tensor(math.log(spec.temperature))
        if spec.is_temperature_learnable:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer("log_temperature", log_temperature)

    def forward(self, ecg: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (batch, d), L2-normalised z_e (batch, projection_width), task outputs (batch, targets).

        Without projections z_e is (batch, 0).
        """
        features = self.encoder(ecg)
        outputs = apply_head(self.task_head, features)
        if not self.has_projections:
            return features, features[:, :0].float(), outputs
        return features, functional.normalize(apply_head(self.ecg_projection, features), dim=-1), outputs

    def project_cmr(self, features: Tensor) -> Tensor:
        """Teacher features (batch, teacher_dim) to L2-normalised z_c (batch, projection_width)."""
        return functional.normalize(apply_head(self.cmr_projection, features), dim=-1)

    def temperature(self) -> Tensor:
        """Current temperature; a learnable one is kept above 0.01 so that the logits stay finite."""
        return self.log_temperature.exp().clamp(min=0.01)


class FrozenEncoder(nn.Module):
    """An encoder that cannot change: evaluation mode and no gradients, also when a surrounding module changes its mode.

    Without gradients alone, dropout, stochastic depth and running statistics would still be active as soon as a
    surrounding module is put into training mode.

    Parameters
    ----------
    encoder
        Module with ``feature_dim``; its parameters stop requiring gradients.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.feature_dim = cast(Encoder, encoder).feature_dim

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Stay without gradients."""
        return super().requires_grad_(False)

    @torch.no_grad()
    def forward(self, batch: Tensor) -> Tensor:
        """Features (batch, feature_dim)."""
        self.encoder.eval()  # other code may hold the encoder itself and have put it into training mode
        features: Tensor = self.encoder(batch)
        return features
