"""The ECG encoder: timm's vision transformer on a recording read as a one-channel image of 12 x 5000."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

import eccl.models._torchvision  # noqa: F401  (before timm)
from eccl.models.patches import sincos_positions
from eccl.models.specs import LEADS, SAMPLES, EcgEncoderSpec

from timm.models.vision_transformer import VisionTransformer  # isort: skip


_TIMM_POOLING: dict[str, Literal["token", "avg", "map"]] = {"token": "token", "mean": "avg", "attention": "map"}
POOLING_WEIGHTS = "vit.attn_pool."
"""Prefix of the weights that only attention pooling has."""


class EcgEncoder(nn.Module):
    """Vision transformer on recordings.

    In the paper's setting (patch 1 x 100, 768 wide, 12 blocks, 12 heads) a recording is 600 patches and a class token,
    601 tokens; with the projection to 256 the network has 85.8 M parameters.

    Parameters
    ----------
    spec
        Shape of the network.
    pooling
        ``token``: features are the class token after the last normalisation; ``mean``: the mean of the patch tokens after
        it; ``attention``: a learned query attends to them (timm's ``AttentionPoolLatent``), whose weights are ``vit.attn_pool``.

    Attributes
    ----------
    feature_dim : int
        Width of the features.
    """

    def __init__(self, spec: EcgEncoderSpec, pooling: str = "token") -> None:
        super().__init__()
        self.spec = spec
        self.feature_dim = spec.width
        self.vit = VisionTransformer(
            img_size=(LEADS, SAMPLES),
            patch_size=spec.patch,
            in_chans=1,
            num_classes=0,
            global_pool=_TIMM_POOLING[pooling],
            embed_dim=spec.width,
            depth=spec.depth,
            num_heads=spec.heads,
            mlp_ratio=spec.mlp_ratio,
            qkv_bias=True,
            # The final normalisation stays in front of the pooling, so that masked pre-training trains it.
            fc_norm=False,
            pos_drop_rate=spec.dropout,
            proj_drop_rate=spec.dropout,
        )
        with torch.no_grad():
            self.positions.copy_(sincos_positions(spec.grid, spec.width))

    @property
    def positions(self) -> nn.Parameter:
        """Position of the class token and of every patch: (1, 1 + patches, width)."""
        positions: nn.Parameter | None = self.vit.pos_embed
        assert positions is not None  # timm's type allows networks without positions
        return positions

    def forward(self, ecg: Tensor) -> Tensor:
        """Features of recordings.

        Parameters
        ----------
        ecg
            (batch, 12, 5000) float, scaled to [-1, 1].

        Returns
        -------
        Tensor
            (batch, width), pooled.
        """
        features: Tensor = self.vit(ecg.unsqueeze(1))
        return features

    def embed(self, ecg: Tensor) -> Tensor:
        """Patch tokens with their positions, without the class token: (batch, patches, width)."""
        tokens: Tensor = self.vit.patch_embed(ecg.unsqueeze(1))
        return tokens + self.positions[:, 1:]

    def transform(self, tokens: Tensor) -> Tensor:
        """Put the class token before patch tokens and run the blocks: (batch, n, width) -> (batch, 1 + n, width)."""
        class_token: Tensor | None = self.vit.cls_token
        assert class_token is not None
        first = (class_token + self.positions[:, :1]).expand(len(tokens), -1, -1)
        whole = torch.cat([first, tokens], dim=1)
        result: Tensor = self.vit.norm(self.vit.blocks(whole))
        return result
