"""Shapes of the networks as plain values: read from params.yaml, written to run.json, importable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from eccl.sections import Integers, Rate, Section, Share

LEADS = 12
SAMPLES = 5000
FRAMES = 50


def _check_heads(heads: int, info: ValidationInfo) -> int:
    width = info.data.get("width")  # absent where it did not validate itself
    if width is not None and width % heads:
        raise ValueError(f"width {width} is not divisible by {heads} heads")
    return heads


Positive = Annotated[int, Field(ge=1)]
Width = Annotated[
    Positive, Field(multiple_of=4, description="token width; 2-D sine-cosine positions need a multiple of 4")
]
Heads = Annotated[Positive, AfterValidator(_check_heads), Field(description="attention heads per block")]


class EcgEncoderSpec(Section):
    """A vision transformer on one recording, (12, 5000) µV at 500 Hz."""

    patch: Annotated[tuple[int, int], Field(strict=False)] = Field(
        (1, 100), description="leads and samples of one patch; (1, 100) in the paper, which gives 600 patches"
    )
    width: Width = 768
    depth: Positive = Field(12, description="number of blocks")
    heads: Heads = 12
    mlp_ratio: float = Field(4.0, gt=0, description="width of a block's hidden layer relative to `width`")
    dropout: Rate = Field(
        0.0, description="after attention, inside the MLPs and after the positions are added; 0 in masked pre-training"
    )

    @field_validator("patch")
    @classmethod
    def _patch_divides(cls, patch: tuple[int, int]) -> tuple[int, int]:
        if min(patch) < 1 or LEADS % patch[0] or SAMPLES % patch[1]:
            raise ValueError(
                f"patch {list(patch)} does not divide a recording of {LEADS} leads x {SAMPLES} samples; choose divisors"
            )
        return patch

    @property
    def grid(self) -> tuple[int, int]:
        """Patches along leads and along time."""
        return LEADS // self.patch[0], SAMPLES // self.patch[1]

    @property
    def patches(self) -> int:
        """Number of patches, without the class token."""
        return self.grid[0] * self.grid[1]


class DecoderSpec(Section):
    """A transformer decoder; the defaults are those of the paper's masked autoencoder."""

    width: Width = 512
    depth: Positive = Field(8, description="number of blocks")
    heads: Heads = 16


class CmrEncoderSpec(Section):
    """An image network whose channels are the 50 frames of a cine."""

    kind: Literal["swin", "resnet", "vit"] = Field("swin", description="architecture")
    image_size: Positive = Field(224, description="side of the square input in pixels")
    patch: Positive = Field(4, description="side of a patch in pixels; not used by a ResNet")
    window: Positive = Field(7, description="side of Swin's attention window in patches")
    width: Positive = Field(96, description="width of the first stage; Swin doubles it in every stage")
    depths: Integers = Field((2, 2, 6, 2), description="blocks per stage; a ResNet has four stages, a ViT has one")
    heads: Integers = Field((3, 6, 12, 24), description="attention heads per stage; not used by a ResNet")
    dropout: Rate = Field(0.1, description="dropout in blocks")
    attention_dropout: Rate = Field(0.1, description="dropout of attention weights")
    drop_path: Rate = Field(0.2, description="dropout of whole blocks")

    @model_validator(mode="after")
    def _stages_fit(self) -> CmrEncoderSpec:
        problems = []
        if self.kind == "resnet":
            if len(self.depths) != 4:
                problems.append(f"a resnet has 4 stages, depths has {len(self.depths)}")
        elif not self.depths or len(self.depths) != len(self.heads):
            problems.append(f"depths has {len(self.depths)} stages, heads {len(self.heads)}")
        else:
            problems += self._patch_problems()
        if min(self.depths, default=0) < 1:
            problems.append(f"depths {list(self.depths)} must be positive")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _patch_problems(self) -> list[str]:
        problems = []
        if self.image_size % self.patch:
            problems.append(f"patch {self.patch} does not divide image_size {self.image_size}")
        if self.kind == "vit" and len(self.depths) != 1:
            problems.append(f"a vit has one stage, depths has {len(self.depths)}")
        for stage, heads in enumerate(self.heads):
            width = self.width * 2**stage if self.kind == "swin" else self.width
            if heads < 1 or width % heads:
                problems.append(f"stage {stage} width {width} is not divisible by {heads} heads")
        return problems


class AlignmentSpec(Section):
    """The shared space of both modalities."""

    projection_width: Positive = Field(256, description="width of the shared space; 256 in the paper")
    temperature: float = Field(
        0.1, gt=0, description="divisor of the cosine similarities; the paper gives none, its released code uses 0.1"
    )
    is_temperature_learnable: bool = Field(False, description="train the logarithm of the temperature")
    alpha: Share = Field(0.5, description="weight of the ECG-to-CMR direction; 1 - alpha is that of CMR-to-ECG")
    loss: Literal["info_nce", "triplet", "label_aware"] = Field(
        "info_nce",
        description="info_nce (the paper); triplet: semi-hard triplets; label_aware: info_nce in which other cases of the "
        "disease are no negatives of a case",
    )
    margin: float = Field(
        0.2, gt=0, le=2, description="triplets: distance on the unit sphere by which a negative is to be farther"
    )
    is_symmetric: bool = Field(True, description="triplets: also from CMR to ECG, weighted by alpha")


class CrossModalSpec(Section):
    """The space that two autoencoders share, and their decoders."""

    latent_width: Positive = Field(description="width of the space between encoders and decoders")
    temperature: float = Field(gt=0, description="divisor of the cosine similarities in the contrastive term")
    reconstruction_weight: float = Field(gt=0, description="weight of the mean of the four reconstruction errors")
    contrastive_weight: float = Field(ge=0, description="weight of the contrastive term")
    ecg_decoder: DecoderSpec = Field(description="transformer from a latent to the patches of a recording")
    cine_decoder: DecoderSpec = Field(description="transformer from a latent to the patches of a cine")
    cine_patch: Positive = Field(description="side in pixels of a cine's patches, all 50 frames together")


class MaskingSpec(Section):
    """Masked pre-training: hidden patches, and the score of their reconstruction."""

    mask_ratio: Rate = Field(
        0.8, description="share of hidden patches; exactly round(patches * (1 - mask_ratio)) stay visible"
    )
    loss_patches: Literal["masked", "all"] = Field(
        "masked", description="patches whose squared error counts; the paper's released code takes all"
    )
    ncc_weight: Share = Field(
        0.0, description="weight w of a correlation term: (1 - w) * squared error + w * (1 - correlation)"
    )
    decoder: DecoderSpec = Field(DecoderSpec(), description="decoder of the masked autoencoder")
