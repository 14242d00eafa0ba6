"""A teacher gives the same features whatever happens around it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import FrozenEncoder
from eccl.models.specs import CmrEncoderSpec

SPECS = [
    CmrEncoderSpec(
        kind="swin",
        image_size=28,
        patch=4,
        window=7,
        width=8,
        depths=(1, 1),
        heads=(1, 2),
        dropout=0.3,
        attention_dropout=0.3,
        drop_path=0.3,
    ),
    CmrEncoderSpec(kind="resnet", image_size=64, depths=(1, 1, 1, 1), drop_path=0.3),
    CmrEncoderSpec(
        kind="vit", image_size=28, patch=7, width=16, depths=(1,), heads=(2,), dropout=0.3, attention_dropout=0.3
    ),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_nothing_moves_a_frozen_encoder(spec: CmrEncoderSpec) -> None:
    torch.manual_seed(0)
    encoder = CmrEncoder(spec).train()
    cine = torch.randn(4, 50, spec.image_size, spec.image_size)
    encoder(cine)  # batch normalisation has seen something
    teacher = FrozenEncoder(encoder)
    student = nn.Linear(teacher.feature_dim, 2)
    both = nn.ModuleDict({"teacher": teacher, "student": student})
    before = {name: one.clone() for name, one in encoder.state_dict().items()}
    expected = teacher(cine)
    optimiser = torch.optim.AdamW(both.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        both.train().requires_grad_(True)
        loss = both["student"](teacher(cine)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        encoder.train()
    # A surrounding requires_grad_() reaches the parameters past the wrapper; no gradient ever does.
    assert all(one.grad is None for one in teacher.parameters())
    assert torch.equal(teacher(cine), expected)
    assert not teacher(cine.requires_grad_()).requires_grad
    assert not any(module.training for module in teacher.modules())
    assert not any(one.requires_grad for one in FrozenEncoder(encoder).requires_grad_(True).parameters())
    after = encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any("running_mean" in name for name in before) == (spec.kind == "resnet")


def test_turning_gradients_off_alone_would_not_be_enough() -> None:
    torch.manual_seed(0)
    encoder = CmrEncoder(SPECS[0]).requires_grad_(False).train()
    cine = torch.randn(2, 50, 28, 28)
    assert not torch.equal(encoder(cine), encoder(cine))


def test_features_do_not_depend_on_the_batch_they_came_in() -> None:
    torch.manual_seed(0)
    for spec in SPECS:
        teacher = FrozenEncoder(CmrEncoder(spec))
        cine = torch.randn(5, 50, spec.image_size, spec.image_size)
        torch.testing.assert_close(teacher(cine)[2:3], teacher(cine[2:3]), rtol=1e-4, atol=1e-5)
