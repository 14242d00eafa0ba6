"""CMR encoders: one interface, the paper's Swin-T, and the two baselines."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Supervised
from eccl.models.specs import CmrEncoderSpec

SWIN = CmrEncoderSpec(kind="swin", image_size=28, patch=4, window=7, width=8, depths=(1, 1), heads=(1, 2))
RESNET = CmrEncoderSpec(kind="resnet", image_size=64, depths=(1, 1, 1, 1))
VIT = CmrEncoderSpec(kind="vit", image_size=28, patch=7, width=16, depths=(1,), heads=(2,))


def test_the_papers_swin_gives_768_features() -> None:
    with torch.device("meta"):
        encoder = CmrEncoder(CmrEncoderSpec())
        network = nn.ModuleList([encoder, nn.Linear(768, 256)])
    assert encoder.feature_dim == 768
    assert encoder(torch.empty(2, 50, 224, 224, device="meta")).shape == (2, 768)
    # the released network has 30.25 M, of which 2.46 M belong to layers that it does not use
    assert round(sum(one.numel() for one in network.parameters()) / 1e6, 2) == 27.79


def test_the_baselines_are_a_resnet50_and_a_vit_b() -> None:
    with torch.device("meta"):
        resnet = CmrEncoder(CmrEncoderSpec(kind="resnet", image_size=80, depths=(3, 4, 6, 3)))
        vit = CmrEncoder(CmrEncoderSpec(kind="vit", image_size=224, patch=16, width=768, depths=(12,), heads=(12,)))
    assert resnet.feature_dim == 2048
    assert resnet(torch.empty(2, 50, 80, 80, device="meta")).shape == (2, 2048)
    assert sum(isinstance(module, nn.Conv2d) for module in resnet.modules()) == 53  # 49 of the name and 4 shortcuts
    assert vit.feature_dim == 768
    assert vit(torch.empty(2, 50, 224, 224, device="meta")).shape == (2, 768)


@pytest.mark.parametrize("spec", [SWIN, RESNET, VIT], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_every_kind_returns_features_and_outputs(spec: CmrEncoderSpec, batch: int) -> None:
    # A baseline that returned one tensor where two are unpacked would go wrong silently for a batch of two.
    network = Supervised(CmrEncoder(spec), 6).eval()
    features, outputs = network(torch.randn(batch, 50, spec.image_size, spec.image_size))
    assert features.shape == (batch, network.encoder.feature_dim)
    assert outputs.shape == (batch, 6)
    torch.testing.assert_close(outputs, network.head(features))


@pytest.mark.parametrize("spec", [SWIN, VIT], ids=lambda spec: spec.kind)
def test_dropout_rates_reach_the_network(spec: CmrEncoderSpec) -> None:
    encoder = CmrEncoder(spec)
    rates = {module.p for module in encoder.modules() if isinstance(module, nn.Dropout)}
    assert {0.1} <= rates <= {0.0, 0.1}
    cine = torch.randn(2, 50, 28, 28)
    assert not torch.equal(encoder(cine), encoder(cine))
    encoder.eval()
    assert torch.equal(encoder(cine), encoder(cine))


def test_all_frames_are_channels_of_the_first_layer() -> None:
    torch.manual_seed(0)
    encoder = CmrEncoder(SWIN).eval()
    cine = torch.randn(1, 50, 28, 28)
    changed = cine.clone()
    changed[:, 49] += 1
    assert not torch.equal(encoder(cine), encoder(changed))
