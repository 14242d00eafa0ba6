"""Heads, the aligned network and its temperature."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eccl.models.projection import Aligned, Supervised
from eccl.models.specs import AlignmentSpec


class Flat(nn.Module):
    """Smallest module with ``feature_dim``."""

    feature_dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(20, 8)

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.layer(batch)
        return features


def aligned(**spec: object) -> Aligned:
    torch.manual_seed(0)
    return Aligned(Flat(), 12, 3, AlignmentSpec(**spec))  # type: ignore[arg-type]


def test_a_projection_is_one_linear_layer_with_bias() -> None:
    network = Aligned(Flat(), 768, 3, AlignmentSpec())
    for head in (network.ecg_projection, network.cmr_projection):
        assert type(head) is nn.Linear
        assert head.bias is not None
    assert network.cmr_projection.weight.shape == (256, 768)


def test_projections_have_norm_one_and_the_task_reads_unprojected_features() -> None:
    network = aligned()
    features, z_ecg, outputs = network(torch.randn(5, 20))
    z_cmr = network.project_cmr(torch.randn(5, 12))
    assert features.shape == (5, 8)
    assert z_ecg.shape == z_cmr.shape == (5, 256)
    torch.testing.assert_close(z_ecg.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(z_cmr.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(outputs, network.task_head(features))
    gradient = torch.autograd.grad(outputs.sum(), network.ecg_projection.weight, allow_unused=True)[0]
    assert gradient is None


def test_the_temperature_is_fixed_unless_asked_for() -> None:
    fixed, learned = aligned(), aligned(is_temperature_learnable=True)
    assert fixed.temperature().item() == pytest.approx(0.1)
    assert not any("temperature" in name for name, _ in fixed.named_parameters())
    assert "log_temperature" in fixed.state_dict()
    assert any("temperature" in name for name, _ in learned.named_parameters())
    with torch.no_grad():
        learned.log_temperature.fill_(-50)
    assert learned.temperature().item() == pytest.approx(0.01)


@pytest.mark.parametrize("network", [Supervised(Flat(), 1), aligned()], ids=["supervised", "aligned"])
def test_heads_run_in_float32_under_autocast(network: nn.Module) -> None:
    # In bfloat16 a thousand logits share a few hundred values, and the ties would decide an AUC.
    batch = torch.randn(1000, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        features, *others = network(batch)
    assert features.dtype == torch.bfloat16
    outputs = others[-1]
    assert outputs.dtype == torch.float32
    assert len(torch.unique(outputs)) > 900
