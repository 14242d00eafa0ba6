"""A teacher that cannot change: evaluation mode, no gradients, whatever is done to the modules around it."""

from __future__ import annotations

from typing import Self, cast

import torch
from torch import Tensor, nn

from eccl.models.projection import Encoder


class FrozenEncoder(nn.Module):
    """Wrap an encoder so that it gives the same features for the same input, always.

    Turning gradients off alone would leave dropout, stochastic depth and running statistics at work as soon as a
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
        self.encoder.eval()  # somebody may hold the encoder itself and have put it into training mode
        features: Tensor = self.encoder(batch)
        return features
