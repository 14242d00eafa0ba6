"""What a network looks like, as plain values: read from params.yaml, written to run.json, understood without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

LEADS = 12
SAMPLES = 5000
FRAMES = 50
POOLINGS = ("token", "mean", "attention")
LOSSES = ("info_nce", "triplet", "label_aware")


@dataclass(frozen=True, slots=True)
class EcgEncoderSpec:
    """A vision transformer on one recording, (12, 5000) µV at 500 Hz.

    Parameters
    ----------
    patch
        Leads and samples of one patch; (1, 100) in the paper, which gives 600 patches.
    width, depth, heads
        Token width, number of blocks, attention heads per block.
    mlp_ratio
        Width of a block's hidden layer relative to `width`.
    dropout
        Dropout after attention, inside the MLPs and after the positions are added; 0 during masked pre-training.
    """

    patch: tuple[int, int] = (1, 100)
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    dropout: float = 0.0

    @property
    def grid(self) -> tuple[int, int]:
        """Patches along leads and along time."""
        return LEADS // self.patch[0], SAMPLES // self.patch[1]

    @property
    def patches(self) -> int:
        """Number of patches, without the class token."""
        return self.grid[0] * self.grid[1]

    def problems(self) -> list[str]:
        """Why no such network can be built; empty if it can."""
        found = []
        if min(self.patch) < 1 or LEADS % self.patch[0] or SAMPLES % self.patch[1]:
            found.append(f"patch {list(self.patch)} does not divide a recording of {LEADS} leads x {SAMPLES} samples")
        found += _attention_problems(self.width, self.depth, self.heads, "width")
        if self.width % 4:
            found.append(f"width {self.width} is not a multiple of 4, which 2-D sine-cosine positions need")
        if self.mlp_ratio <= 0:
            found.append(f"mlp_ratio {self.mlp_ratio} is not positive")
        return [*found, *_share_problems(dropout=self.dropout)]


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The masked autoencoder's decoder: 512 wide, 8 blocks, 16 heads in the paper's setting."""

    width: int = 512
    depth: int = 8
    heads: int = 16

    def problems(self) -> list[str]:
        """Why no such decoder can be built; empty if it can."""
        found = _attention_problems(self.width, self.depth, self.heads, "width")
        if self.width % 4:
            found.append(f"width {self.width} is not a multiple of 4, which 2-D sine-cosine positions need")
        return found


@dataclass(frozen=True, slots=True)
class CmrEncoderSpec:
    """An image network whose channels are the 50 frames of a cine.

    Parameters
    ----------
    kind
        ``swin``, ``resnet`` or ``vit``.
    image_size
        Side of the square input in pixels.
    patch, width, depths, heads
        Patch side, width of the first stage, blocks per stage, heads per stage. A ResNet uses `depths` only; a ViT has
        one stage.
    window
        Side of Swin's attention window in patches.
    dropout, attention_dropout, drop_path
        Rates of dropout in blocks, on attention weights, and of whole blocks.
    """

    kind: str = "swin"
    image_size: int = 224
    patch: int = 4
    window: int = 7
    width: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    dropout: float = 0.1
    attention_dropout: float = 0.1
    drop_path: float = 0.2

    def problems(self) -> list[str]:
        """Why no such network can be built; empty if it can."""
        found = _share_problems(
            dropout=self.dropout, attention_dropout=self.attention_dropout, drop_path=self.drop_path
        )
        if self.kind not in {"swin", "resnet", "vit"}:
            return [*found, f"kind {self.kind!r} is none of swin, resnet, vit"]
        if self.kind == "resnet":
            return found if len(self.depths) == 4 else [*found, f"a resnet has 4 stages, depths has {len(self.depths)}"]
        if len(self.depths) != len(self.heads) or not self.depths:
            return [*found, f"depths has {len(self.depths)} stages, heads {len(self.heads)}"]
        if self.image_size < 1 or self.window < 1:
            found.append(f"image_size {self.image_size} and window {self.window} must be positive")
        if self.patch < 1 or self.image_size % self.patch:
            found.append(f"patch {self.patch} does not divide image_size {self.image_size}")
        if self.kind == "vit" and len(self.depths) != 1:
            found.append(f"a vit has one stage, depths has {len(self.depths)}")
        scale = 2 if self.kind == "swin" else 1
        for stage, heads in enumerate(self.heads):
            found += _attention_problems(self.width * scale**stage, self.depths[stage], heads, f"stage {stage} width")
        return found


@dataclass(frozen=True, slots=True)
class AlignmentSpec:
    """The shared space of both modalities.

    Parameters
    ----------
    projection_width
        Width of the shared space; 256 in the paper.
    temperature
        Divisor of the cosine similarities; the paper gives none, its released code uses 0.1.
    is_temperature_learnable
        Train the logarithm of the temperature along.
    alpha
        Weight of the ECG-to-CMR direction; 1 - alpha is that of CMR-to-ECG.
    loss
        ``info_nce`` (the paper); ``triplet``: semi-hard triplets; ``label_aware``: `info_nce` in which other cases of the
        disease are no negatives of a case.
    margin
        Triplets: by how much a negative shall be farther than the positive, as distance on the unit sphere, in [0, 2].
    is_symmetric
        Triplets: also from CMR to ECG, weighted by `alpha`; False has ECG anchors only.
    """

    projection_width: int = 256
    temperature: float = 0.1
    is_temperature_learnable: bool = False
    alpha: float = 0.5
    loss: str = "info_nce"
    margin: float = 0.2
    is_symmetric: bool = True

    def problems(self) -> list[str]:
        """Why this cannot be trained; empty if it can."""
        found = _share_problems(alpha=self.alpha, upper=1.0)
        if self.loss not in LOSSES:
            found.append(f"loss {self.loss!r} is none of {', '.join(LOSSES)}")
        if not 0 < self.margin <= 2:
            found.append(f"margin {self.margin} is not in (0, 2], the distances on the unit sphere")
        if self.projection_width < 1:
            found.append(f"projection_width {self.projection_width} is not positive")
        if self.temperature <= 0:
            found.append(f"temperature {self.temperature} is not positive")
        return found


@dataclass(frozen=True, slots=True)
class CrossModalSpec:
    """The space that two autoencoders share, and their decoders.

    Parameters
    ----------
    latent_width
        Width of the space that both encoders write into and both decoders read from.
    temperature
        Divisor of the cosine similarities in the contrastive term.
    reconstruction_weight, contrastive_weight
        Weight of the mean of the four reconstruction errors, and of the contrastive term.
    ecg_decoder, cine_decoder
        Shape of the transformer that turns a latent into patches.
    cine_patch
        Side in pixels of the patches that a cine is reconstructed in, all 50 frames together.
    """

    latent_width: int
    temperature: float
    reconstruction_weight: float
    contrastive_weight: float
    ecg_decoder: DecoderSpec
    cine_decoder: DecoderSpec
    cine_patch: int

    def problems(self) -> list[str]:
        """Why this cannot be trained, the decoders aside; empty if it can."""
        found = []
        if min(self.latent_width, self.cine_patch) < 1 or self.temperature <= 0:
            found.append("latent_width, cine_patch and temperature must be positive")
        if self.reconstruction_weight <= 0 or self.contrastive_weight < 0:
            found.append("reconstruction_weight must be positive, contrastive_weight must not be negative")
        return found


@dataclass(frozen=True, slots=True)
class MaskingSpec:
    """What is hidden during masked pre-training and how the reconstruction is scored.

    Parameters
    ----------
    mask_ratio
        Share of patches that is hidden; exactly round(patches * (1 - mask_ratio)) stay visible.
    loss_patches
        ``masked``: squared error on hidden patches only; ``all``: on every patch, as the paper's released code does.
    ncc_weight
        Weight w of a correlation term: (1 - w) * squared error + w * (1 - correlation).
    """

    mask_ratio: float = 0.8
    loss_patches: str = "masked"
    ncc_weight: float = 0.0
    decoder: DecoderSpec = field(default_factory=DecoderSpec)

    def problems(self) -> list[str]:
        """Why this cannot be trained, the decoder aside; empty if it can."""
        found = _share_problems(mask_ratio=self.mask_ratio) + _share_problems(ncc_weight=self.ncc_weight, upper=1.0)
        if self.loss_patches not in {"masked", "all"}:
            found.append(f"loss_patches {self.loss_patches!r} is neither masked nor all")
        return found


def _attention_problems(width: int, depth: int, heads: int, name: str) -> list[str]:
    found = [] if depth >= 1 else [f"depth {depth} is not positive"]
    if heads < 1 or width < 1 or width % heads:
        found.append(f"{name} {width} is not divisible by {heads} heads")
    return found


def _share_problems(*, upper: float | None = None, **shares: float) -> list[str]:
    if upper is not None:
        return [f"{name} {value} is not in [0, {upper:g}]" for name, value in shares.items() if not 0 <= value <= upper]
    return [f"{name} {value} is not in [0, 1)" for name, value in shares.items() if not 0 <= value < 1]
