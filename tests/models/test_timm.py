"""timm's own networks of the same architecture: their weights load, and the features are the same."""

from __future__ import annotations

import pytest
import torch

import eccl.models._torchvision  # noqa: F401  (before timm)
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.specs import FRAMES, CmrEncoderSpec, EcgEncoderSpec

import timm  # isort: skip


@pytest.mark.parametrize("pooling", ["token", "mean", "attention"])
def test_the_ecg_encoder_is_timms_vit(pooling: str) -> None:
    torch.manual_seed(0)
    spec = EcgEncoderSpec(patch=(1, 100), width=96, depth=3, heads=3)
    theirs = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=(12, 5000),
        patch_size=spec.patch,
        in_chans=1,
        num_classes=0,
        embed_dim=spec.width,
        depth=spec.depth,
        num_heads=spec.heads,
        global_pool={"token": "token", "mean": "avg", "attention": "map"}[pooling],
        fc_norm=False,
    ).eval()
    mine = EcgEncoder(spec, pooling).eval()
    assert mine.vit.load_state_dict(theirs.state_dict(), strict=True)
    ecg = torch.randn(2, 12, 5000)
    with torch.no_grad():
        torch.testing.assert_close(mine(ecg), theirs(ecg.unsqueeze(1)), rtol=1e-5, atol=1e-5)
        tokens = theirs.forward_features(ecg.unsqueeze(1))
        torch.testing.assert_close(mine.transform(mine.embed(ecg)), tokens, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "name", "options"),
    [
        (CmrEncoderSpec(), "swin_tiny_patch4_window7_224", {}),
        (CmrEncoderSpec(kind="resnet", image_size=96, depths=(3, 4, 6, 3)), "resnet50", {}),
        (
            CmrEncoderSpec(kind="vit", image_size=96, patch=16, width=96, depths=(3,), heads=(3,)),
            "vit_tiny_patch16_224",
            {"img_size": 96, "embed_dim": 96, "depth": 3, "num_heads": 3},
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, CmrEncoderSpec) else None,
)
def test_the_cmr_encoders_are_timms(spec: CmrEncoderSpec, name: str, options: dict[str, int]) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(name, in_chans=FRAMES, num_classes=0, **options).eval()
    mine = CmrEncoder(spec).eval()
    assert mine.trunk.load_state_dict(theirs.state_dict(), strict=True)
    cine = torch.randn(1, FRAMES, spec.image_size, spec.image_size)
    with torch.no_grad():
        torch.testing.assert_close(mine(cine), theirs(cine), rtol=1e-5, atol=1e-5)
