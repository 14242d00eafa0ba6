"""Specs say in words why a network cannot be built, before torch is asked."""

from __future__ import annotations

import pytest

from eccl.models.specs import AlignmentSpec, CmrEncoderSpec, CrossModalSpec, DecoderSpec, EcgEncoderSpec, MaskingSpec


@pytest.mark.parametrize("spec", [EcgEncoderSpec(), CmrEncoderSpec(), AlignmentSpec(), MaskingSpec(), DecoderSpec()])
def test_the_papers_shapes_are_the_defaults_and_have_no_problem(spec: EcgEncoderSpec) -> None:
    assert spec.problems() == []


def test_the_paper_cuts_a_recording_into_600_patches() -> None:
    assert EcgEncoderSpec().grid == (12, 50)
    assert EcgEncoderSpec().patches == 600


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (EcgEncoderSpec(patch=(5, 100)), "patch [5, 100] does not divide"),
        (EcgEncoderSpec(patch=(1, 300)), "patch [1, 300] does not divide"),
        (EcgEncoderSpec(patch=(0, 100)), "patch [0, 100] does not divide"),
        (EcgEncoderSpec(width=256, heads=6), "width 256 is not divisible by 6 heads"),
        (EcgEncoderSpec(width=30, heads=3), "not a multiple of 4"),
        (EcgEncoderSpec(depth=0), "depth 0 is not positive"),
        (EcgEncoderSpec(mlp_ratio=0.0), "mlp_ratio"),
        (EcgEncoderSpec(dropout=1.0), "dropout 1.0 is not in [0, 1)"),
        (CmrEncoderSpec(kind="mlp"), "'mlp' is none of swin, resnet, vit"),
        (CmrEncoderSpec(kind="resnet", depths=(3, 4)), "a resnet has 4 stages"),
        (CmrEncoderSpec(kind="vit"), "a vit has one stage"),
        (CmrEncoderSpec(depths=(2, 2)), "depths has 2 stages, heads 4"),
        (CmrEncoderSpec(patch=5), "patch 5 does not divide image_size 224"),
        (CmrEncoderSpec(window=0), "must be positive"),
        (CmrEncoderSpec(heads=(3, 6, 12, 23)), "stage 3 width 768 is not divisible by 23 heads"),
        (CmrEncoderSpec(drop_path=-0.1), "drop_path -0.1"),
        (AlignmentSpec(temperature=0.0), "temperature 0.0 is not positive"),
        (AlignmentSpec(alpha=1.1), "alpha 1.1 is not in [0, 1]"),
        (AlignmentSpec(projection_width=0), "projection_width 0"),
        (AlignmentSpec(loss="hinge"), "loss 'hinge' is none of info_nce, triplet, label_aware"),
        (AlignmentSpec(margin=0.0), "margin 0.0 is not in (0, 2]"),
        (CrossModalSpec(0, 0.1, 1.0, 1.0, DecoderSpec(), DecoderSpec(), 8), "must be positive"),
        (CrossModalSpec(8, 0.1, 1.0, -1.0, DecoderSpec(), DecoderSpec(), 8), "contrastive_weight must not be negative"),
        (MaskingSpec(mask_ratio=1.0), "mask_ratio 1.0"),
        (MaskingSpec(loss_patches="some"), "'some' is neither masked nor all"),
        (MaskingSpec(ncc_weight=2.0), "ncc_weight 2.0 is not in [0, 1]"),
        (DecoderSpec(width=510, heads=16), "width 510 is not divisible by 16 heads"),
        (DecoderSpec(width=18, heads=2), "not a multiple of 4"),
    ],
)
def test_what_cannot_be_built_is_said(spec: EcgEncoderSpec, words: str) -> None:
    assert words in "; ".join(spec.problems())


def test_all_problems_of_a_spec_come_together() -> None:
    spec = EcgEncoderSpec(patch=(5, 300), width=30, depth=0, heads=4, dropout=2.0)
    assert len(spec.problems()) == 5
