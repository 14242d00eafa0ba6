"""Masking, reconstruction and the loss of masked pre-training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eccl.models.losses import masked_reconstruction
from eccl.models.mae import MaskedAutoencoder, visible_count
from eccl.models.specs import DecoderSpec, EcgEncoderSpec, MaskingSpec

ENCODER = EcgEncoderSpec(patch=(3, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0)  # 4 x 5 = 20 patches
DECODER = DecoderSpec(width=8, depth=1, heads=2)


def autoencoder(**masking: object) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(ENCODER, MaskingSpec(decoder=DECODER, **masking))  # type: ignore[arg-type]


def test_the_papers_autoencoder() -> None:
    with torch.device("meta"):
        network = MaskedAutoencoder(EcgEncoderSpec(), MaskingSpec())
    assert network.visible == 120  # truncation would give 119
    assert network.decoder_norm.normalized_shape == (512,)
    assert len(network.decoder) == 8
    assert {block.attn.num_heads for block in network.decoder} == {16}  # type: ignore[union-attr]
    assert network.to_patch.out_features == 100
    trained = sum(one.numel() for one in network.parameters() if one.requires_grad)
    assert round(trained / 1e6, 2) == 110.80
    ecg, visible = torch.empty(2, 12, 5000), torch.empty(2, 120, dtype=torch.int64)
    network.to("meta")  # the decoder's positions are made from numpy
    assert network.reconstruct(ecg.to("meta"), visible.to("meta")).shape == (2, 600, 100)


@given(patches=st.integers(1, 2000), percent=st.integers(0, 99))
def test_the_visible_count_is_rounded_and_never_zero(patches: int, percent: int) -> None:
    visible = visible_count(patches, percent / 100)
    exact = patches * (100 - percent) / 100  # in integers up to the last division
    assert 1 <= visible <= patches
    assert abs(visible - exact) <= 0.5 + 1e-9 or (visible == 1 and exact < 0.5)


def test_eighty_percent_of_600_leave_120() -> None:
    assert int(600 * (1 - 0.8)) == 119  # the trap
    assert visible_count(600, 0.8) == 120


@settings(max_examples=20, deadline=None)
@given(mask_ratio=st.floats(0, 0.99), batch=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_recording_shows_exactly_the_visible_count(mask_ratio: float, batch: int, seed: int) -> None:
    network = MaskedAutoencoder(ENCODER, MaskingSpec(mask_ratio=mask_ratio, decoder=DECODER))
    visible, is_hidden = network.choose_visible(network.draw_noise(batch, torch.Generator().manual_seed(seed)))
    assert visible.shape == (batch, visible_count(20, mask_ratio))
    for shown, hidden in zip(visible.tolist(), is_hidden, strict=True):
        assert shown == sorted(set(shown))
        assert sorted(shown + hidden.nonzero().flatten().tolist()) == list(range(20))


def test_recordings_of_a_batch_are_masked_on_their_own_and_by_seed() -> None:
    network = autoencoder()
    one = network.choose_visible(network.draw_noise(8, torch.Generator().manual_seed(3)))[0]
    again = network.choose_visible(network.draw_noise(8, torch.Generator().manual_seed(3)))[0]
    other = network.choose_visible(network.draw_noise(8, torch.Generator().manual_seed(4)))[0]
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert len(torch.unique(one, dim=0)) > 1


def test_only_visible_patches_reach_the_encoder() -> None:
    network = autoencoder().eval()
    ecg = torch.randn(1, 12, 5000)
    visible, is_hidden = network.choose_visible(network.draw_noise(1, torch.Generator().manual_seed(0)))
    patches = network.to_patches(ecg)
    changed = network.from_patches(torch.where(is_hidden[..., None], patches + 5, patches))
    seen: list[Tensor] = []
    network.encoder.vit.blocks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    one, other = network.reconstruct(ecg, visible), network.reconstruct(changed, visible)
    assert [tokens.shape for tokens in seen] == [(1, 1 + network.visible, 16)] * 2
    assert torch.equal(one, other)


def test_patches_are_cut_and_put_back() -> None:
    network = autoencoder()
    ecg = torch.arange(12 * 5000, dtype=torch.float32).reshape(1, 12, 5000)
    patches = network.to_patches(ecg)
    assert patches.shape == (1, 20, 3000)
    # patch 7 of 4 x 5: leads 3 to 5, samples 2000 to 2999
    assert torch.equal(patches[0, 7], ecg[0, 3:6, 2000:3000].flatten())
    assert torch.equal(network.from_patches(patches), ecg)


def gradient_of_predictions(loss_patches: str, **more: object) -> tuple[Tensor, Tensor]:
    """Largest gradient of every patch's prediction, and which patches were hidden."""
    network = autoencoder(loss_patches=loss_patches, **more)
    predicted: list[Tensor] = []

    def keep(_: object, __: object, output: Tensor) -> None:
        output.retain_grad()
        predicted.append(output)

    network.to_patch.register_forward_hook(keep)
    ecg = torch.randn(3, 12, 5000)
    network(ecg, network.draw_noise(len(ecg), torch.Generator().manual_seed(1)))["loss"].backward()
    assert predicted[0].grad is not None
    _, is_hidden = network.choose_visible(network.draw_noise(3, torch.Generator().manual_seed(1)))
    return predicted[0].grad[:, 1:].abs().amax(dim=-1), is_hidden


@pytest.mark.parametrize("ncc_weight", [0.0, 0.3])
def test_the_masked_loss_does_not_see_predictions_of_visible_patches(ncc_weight: float) -> None:
    gradient, is_hidden = gradient_of_predictions("masked", ncc_weight=ncc_weight)
    assert (gradient[~is_hidden] == 0).all()
    assert (gradient[is_hidden] > 0).all()


def test_the_all_patch_option_sees_every_prediction() -> None:
    gradient, _ = gradient_of_predictions("all")
    assert (gradient > 0).all()


def test_the_masked_loss_is_the_squared_error_of_hidden_samples() -> None:
    predicted, target = torch.randn(4, 6, 10), torch.randn(4, 6, 10)
    scored = torch.rand(4, 6) < 0.7
    scored[:, 0] = True
    values = masked_reconstruction(predicted, target, scored)
    expected = ((predicted[scored] - target[scored]) ** 2).mean()
    torch.testing.assert_close(values["mse"], expected)
    torch.testing.assert_close(values["loss"], expected)


def test_the_correlation_subtracts_means_over_scored_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(4, 6, 10, generator=generator)
    predicted = target + torch.randn(4, 6, 10, generator=generator) + 7  # an offset that a variance would not remove
    scored = torch.ones(4, 6, dtype=torch.bool)
    scored[:, ::3] = False
    each = [
        np.corrcoef(predicted[i][scored[i]].flatten().numpy(), target[i][scored[i]].flatten().numpy())[0, 1]
        for i in range(4)
    ]
    values = masked_reconstruction(predicted, target, scored, ncc_weight=0.25)
    assert values["ncc"].item() == pytest.approx(float(np.mean(each)), abs=1e-5)
    torch.testing.assert_close(values["loss"], 0.75 * values["mse"] + 0.25 * (1 - values["ncc"]))


def test_a_constant_recording_has_correlation_0_and_a_finite_gradient() -> None:
    predicted = torch.zeros(2, 3, 5, requires_grad=True)
    values = masked_reconstruction(predicted, torch.ones(2, 3, 5), torch.ones(2, 3, dtype=torch.bool), ncc_weight=0.5)
    values["loss"].backward()  # type: ignore[no-untyped-call]
    assert values["ncc"].item() == 0
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()


def test_positions_stay_fixed_while_pretraining() -> None:
    network = autoencoder()
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    assert "encoder.vit.pos_embed" not in trained
    assert "encoder.vit.cls_token" in trained
    assert "mask_token" in trained
    assert "decoder_positions" not in network.state_dict()  # computed, not learned


def test_a_few_steps_lower_the_loss() -> None:
    network = autoencoder()
    time = torch.linspace(0, 20, 5000)
    ecg = torch.stack([torch.sin(time * (1 + lead / 12)) for lead in range(12)])[None].expand(8, -1, -1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(60):
        loss = network(ecg, network.draw_noise(len(ecg), generator))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
