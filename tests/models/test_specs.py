"""Shapes that cannot be built are refused before torch is loaded."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from eccl.models.specs import AlignmentSpec, CmrEncoderSpec, CrossModalSpec, DecoderSpec, EcgEncoderSpec, MaskingSpec
from eccl.sections import Section

DECODER: dict[str, int] = {"width": 8, "depth": 1, "heads": 2}
CROSS_MODAL: dict[str, Any] = {
    "latent_width": 8, "temperature": 0.1, "reconstruction_weight": 1.0, "contrastive_weight": 1.0,
    "ecg_decoder": DECODER, "cine_decoder": DECODER, "cine_patch": 8,
}  # fmt: skip


def test_the_paper_cuts_a_recording_into_600_patches() -> None:
    assert EcgEncoderSpec().grid == (12, 50)
    assert EcgEncoderSpec().patches == 600


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (EcgEncoderSpec, {"patch": (5, 100)}, "patch [5, 100] does not divide"),
        (EcgEncoderSpec, {"patch": (1, 300)}, "patch [1, 300] does not divide"),
        (EcgEncoderSpec, {"patch": (0, 100)}, "patch [0, 100] does not divide"),
        (EcgEncoderSpec, {"width": 256, "heads": 6}, "width 256 is not divisible by 6 heads"),
        (EcgEncoderSpec, {"width": 30, "heads": 3}, "multiple of 4"),
        (EcgEncoderSpec, {"depth": 0}, "greater than or equal to 1"),
        (EcgEncoderSpec, {"mlp_ratio": 0.0}, "greater than 0"),
        (EcgEncoderSpec, {"dropout": 1.0}, "less than 1"),
        (CmrEncoderSpec, {"kind": "mlp"}, "'swin', 'resnet' or 'vit'"),
        (CmrEncoderSpec, {"kind": "resnet", "depths": (3, 4)}, "a resnet has 4 stages"),
        (CmrEncoderSpec, {"kind": "resnet", "depths": (3, 4, 6, 0)}, "depths [3, 4, 6, 0] must be positive"),
        (CmrEncoderSpec, {"kind": "vit"}, "a vit has one stage"),
        (CmrEncoderSpec, {"depths": (2, 2)}, "depths has 2 stages, heads 4"),
        (CmrEncoderSpec, {"patch": 5}, "patch 5 does not divide image_size 224"),
        (CmrEncoderSpec, {"window": 0}, "greater than or equal to 1"),
        (CmrEncoderSpec, {"heads": (3, 6, 12, 23)}, "stage 3 width 768 is not divisible by 23 heads"),
        (CmrEncoderSpec, {"drop_path": -0.1}, "greater than or equal to 0"),
        (AlignmentSpec, {"temperature": 0.0}, "greater than 0"),
        (AlignmentSpec, {"alpha": 1.1}, "less than or equal to 1"),
        (AlignmentSpec, {"projection_width": 0}, "greater than or equal to 1"),
        (AlignmentSpec, {"loss": "hinge"}, "'info_nce', 'triplet' or 'label_aware'"),
        (AlignmentSpec, {"margin": 0.0}, "greater than 0"),
        (CrossModalSpec, {**CROSS_MODAL, "latent_width": 0}, "greater than or equal to 1"),
        (CrossModalSpec, {**CROSS_MODAL, "contrastive_weight": -1.0}, "greater than or equal to 0"),
        (MaskingSpec, {"mask_ratio": 1.0}, "less than 1"),
        (MaskingSpec, {"loss_patches": "some"}, "'masked' or 'all'"),
        (MaskingSpec, {"ncc_weight": 2.0}, "less than or equal to 1"),
        (DecoderSpec, {"width": 512, "heads": 15}, "width 512 is not divisible by 15 heads"),
        (DecoderSpec, {"width": 18, "heads": 2}, "multiple of 4"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(kind: type[Section], values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as error:
        kind.model_validate(values)
    assert words in str(error.value)


def test_all_problems_of_a_spec_are_reported_together() -> None:
    with pytest.raises(ValidationError) as error:
        EcgEncoderSpec(patch=(5, 300), width=30, depth=0, heads=4, dropout=2.0)
    assert error.value.error_count() == 4
