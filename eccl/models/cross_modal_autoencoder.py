"""Cross-modal autoencoder after Radhakrishnan et al. 2023: two encoders into one latent space, two decoders out of it.

Each latent reconstructs both modalities, so that an ECG's latent contains what it has in common with the cine. The
released code of the paper's baseline omits the cross terms; here all four are computed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.patches import from_patches, sincos_positions, to_patches
from eccl.models.projection import apply_head
from eccl.models.specs import FRAMES, CmrEncoderSpec, CrossModalSpec, DecoderSpec, EcgEncoderSpec

from timm.models.vision_transformer import Block  # isort: skip

MODALITIES = ("ecg", "cmr")


class PatchDecoder(nn.Module):
    """Turns a latent into an image's patches: the latent at every position, transformer blocks, one linear layer.

    Parameters
    ----------
    latent_width
        Width of the latent.
    grid
        Rows and columns of patches.
    area
        Values of one patch, over all channels.
    spec
        Width, depth and heads of the blocks.
    """

    def __init__(self, latent_width: int, grid: tuple[int, int], area: int, spec: DecoderSpec) -> None:
        super().__init__()
        self.positions: Tensor
        self.register_buffer("positions", sincos_positions(grid, spec.width)[:, 1:], persistent=False)
        self.from_latent = nn.Linear(latent_width, spec.width)
        self.blocks = nn.Sequential(*(Block(spec.width, spec.heads, qkv_bias=True) for _ in range(spec.depth)))
        self.norm = nn.LayerNorm(spec.width, eps=1e-6)
        self.to_patch = nn.Linear(spec.width, area)

    def forward(self, latent: Tensor) -> Tensor:
        """(batch, latent_width) -> (batch, patches, area)."""
        tokens = self.from_latent(latent).unsqueeze(1) + self.positions
        patches: Tensor = self.to_patch(self.norm(self.blocks(tokens)))
        return patches


class CrossModalAutoencoder(nn.Module):
    """An encoder and a decoder per modality around one latent space.

    Attributes
    ----------
    ecg_encoder : EcgEncoder
        What :mod:`eccl.training.stages.align` can start from.
    """

    def __init__(self, ecg: EcgEncoderSpec, cmr: CmrEncoderSpec, spec: CrossModalSpec) -> None:
        super().__init__()
        self.spec = spec
        self.ecg_patch, self.ecg_grid = ecg.patch, ecg.grid
        self.cmr_patch, side = (spec.cine_patch, spec.cine_patch), cmr.image_size // spec.cine_patch
        self.cmr_grid = (side, side)
        self.ecg_encoder = EcgEncoder(ecg)
        self.cmr_encoder = CmrEncoder(cmr)
        self.ecg_latent = nn.Linear(self.ecg_encoder.feature_dim, spec.latent_width)
        self.cmr_latent = nn.Linear(self.cmr_encoder.feature_dim, spec.latent_width)
        self.ecg_decoder = PatchDecoder(spec.latent_width, ecg.grid, ecg.patch[0] * ecg.patch[1], spec.ecg_decoder)
        self.cmr_decoder = PatchDecoder(
            spec.latent_width, self.cmr_grid, FRAMES * spec.cine_patch**2, spec.cine_decoder
        )

    def encode(self, ecg: Tensor, cine: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of both modalities, (batch, latent_width) each, in float32."""
        ecg_latent = apply_head(self.ecg_latent, self.ecg_encoder(ecg))
        return ecg_latent, apply_head(self.cmr_latent, self.cmr_encoder(cine))

    def decode_ecg(self, latent: Tensor) -> Tensor:
        """A latent of either modality -> (batch, 12, 5000)."""
        return from_patches(self.ecg_decoder(latent), self.ecg_patch, self.ecg_grid).squeeze(1)

    def decode_cine(self, latent: Tensor) -> Tensor:
        """A latent of either modality -> (batch, 50, size, size)."""
        return from_patches(self.cmr_decoder(latent), self.cmr_patch, self.cmr_grid)

    def forward(self, ecg: Tensor, cine: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Latents, and squared errors of all four reconstructions.

        Parameters
        ----------
        ecg
            (batch, 12, 5000) float, scaled.
        cine
            (batch, 50, image_size, image_size) float, scaled to [-1, 1].

        Returns
        -------
        ecg_latent, cmr_latent : Tensor
            (batch, latent_width).
        errors : dict
            ``ecg_from_ecg``, ``ecg_from_cmr``, ``cmr_from_ecg``, ``cmr_from_cmr``: (batch,) mean over a visit's samples
            or pixels.
        """
        latents = dict(zip(MODALITIES, self.encode(ecg, cine), strict=True))
        targets = {"ecg": to_patches(ecg.unsqueeze(1), self.ecg_patch), "cmr": to_patches(cine, self.cmr_patch)}
        decoders = {"ecg": self.ecg_decoder, "cmr": self.cmr_decoder}
        # Both latents in one pass of each decoder: (2 * batch, latent_width).
        both = torch.cat([latents["ecg"], latents["cmr"]])
        errors = {}
        for target, decoder in decoders.items():
            found = decoder(both).float()
            for source, patches in zip(MODALITIES, found.chunk(2), strict=True):
                errors[f"{target}_from_{source}"] = (patches - targets[target]).square().mean(dim=(1, 2))
        return latents["ecg"], latents["cmr"], errors
