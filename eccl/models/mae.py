"""Masked autoencoder on ECGs (He et al. 2022): hide most patches, reconstruct them from the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eccl.models.ecg_vit import EcgEncoder
from eccl.models.losses import masked_reconstruction
from eccl.models.patches import from_patches, sincos_positions, to_patches
from eccl.models.specs import EcgEncoderSpec, MaskingSpec

from timm.models.vision_transformer import Block  # isort: skip


def visible_count(patches: int, mask_ratio: float) -> int:
    """Number of visible patches: round(patches * (1 - mask_ratio)), at least one.

    Truncation would lose a patch: 600 * (1 - 0.8) is 119.99999999999997 in floating point.
    """
    return max(1, round(patches * (1 - mask_ratio)))


class MaskedAutoencoder(nn.Module):
    """Encoder on visible patches, light decoder on all of them.

    Positions are fixed sine-cosine in both; the encoder's become trainable again when a later stage takes it over. The
    paper's setting (decoder 512 wide, 8 blocks, 16 heads) has 110.8 M trained parameters.

    Attributes
    ----------
    encoder : EcgEncoder
        What is kept after pre-training.
    """

    def __init__(self, encoder: EcgEncoderSpec, masking: MaskingSpec) -> None:
        super().__init__()
        self.masking = masking
        self.patch = encoder.patch
        self.grid = encoder.grid
        self.visible = visible_count(encoder.patches, masking.mask_ratio)
        self.encoder = EcgEncoder(encoder)
        self.encoder.positions.requires_grad_(False)
        width = masking.decoder.width
        self.decoder_positions: Tensor
        self.to_decoder = nn.Linear(encoder.width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("decoder_positions", sincos_positions(encoder.grid, width), persistent=False)
        self.decoder = nn.Sequential(
            *(Block(width, masking.decoder.heads, qkv_bias=True) for _ in range(masking.decoder.depth))
        )
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.to_patch = nn.Linear(width, encoder.patch[0] * encoder.patch[1])
        self._initialise()

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        # The patch embedding is a matrix too, written as a convolution: initialised as one, as by He et al.
        embedding = self.encoder.vit.patch_embed.proj
        nn.init.xavier_uniform_(embedding.weight.view(len(embedding.weight), -1))
        nn.init.zeros_(embedding.bias)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def to_patches(self, ecg: Tensor) -> Tensor:
        """Cut recordings into patches: (batch, 12, 5000) -> (batch, patches, leads * samples of a patch)."""
        return to_patches(ecg.unsqueeze(1), self.patch)

    def from_patches(self, patches: Tensor) -> Tensor:
        """Inverse of :meth:`to_patches`: (batch, patches, area) -> (batch, 12, 5000)."""
        return from_patches(patches, self.patch, self.grid).squeeze(1)

    def draw_noise(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """One number per patch, (batch, patches); drawn on the CPU so that one seed gives one mask on every device."""
        noise = torch.rand(batch, self.grid[0] * self.grid[1], generator=generator)
        return noise.to(self.mask_token.device)

    def choose_visible(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Choose visible patches of every recording on its own: those with the smallest numbers.

        Returns
        -------
        visible : Tensor
            (batch, visible) int64, indices of visible patches in ascending order.
        is_hidden : Tensor
            (batch, patches) bool.
        """
        visible = noise.argsort(dim=1)[:, : self.visible].sort(dim=1).values
        is_hidden = torch.ones_like(noise, dtype=torch.bool).scatter(1, visible, False)
        return visible, is_hidden

    def reconstruct(self, ecg: Tensor, visible: Tensor) -> Tensor:
        """Predict every patch from the visible ones: (batch, patches, patch area)."""
        tokens = self.encoder.embed(ecg)
        width = tokens.shape[-1]
        kept = tokens.gather(1, visible.unsqueeze(-1).expand(-1, -1, width))
        encoded = self.to_decoder(self.encoder.transform(kept))  # (batch, 1 + visible, decoder width)
        filled = self.mask_token.to(encoded.dtype).expand(len(ecg), tokens.shape[1], -1)
        filled = filled.scatter(1, visible.unsqueeze(-1).expand(-1, -1, encoded.shape[-1]), encoded[:, 1:])
        whole = torch.cat([encoded[:, :1], filled], dim=1) + self.decoder_positions
        predicted: Tensor = self.to_patch(self.decoder_norm(self.decoder(whole)))[:, 1:]
        return predicted

    def forward(self, ecg: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Hide, reconstruct and score.

        Parameters
        ----------
        ecg
            (batch, 12, 5000) float, scaled to [-1, 1].
        noise
            (batch, patches) from :meth:`draw_noise`.

        Returns
        -------
        dict
            ``loss`` (what is minimised), ``mse`` and ``ncc`` over the scored patches.
        """
        visible, is_hidden = self.choose_visible(noise)
        predicted = self.reconstruct(ecg, visible)
        scored = is_hidden if self.masking.loss_patches == "masked" else torch.ones_like(is_hidden)
        return masked_reconstruction(predicted, self.to_patches(ecg), scored, self.masking.ncc_weight)
