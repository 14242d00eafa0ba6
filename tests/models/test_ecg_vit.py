"""Shapes and sizes of the ECG encoder; the paper's network is built on the meta device, where it costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eccl.models.ecg_vit import POOLING_WEIGHTS, EcgEncoder
from eccl.models.patches import sincos_positions
from eccl.models.specs import EcgEncoderSpec

TINY = EcgEncoderSpec(patch=(4, 1000), width=16, depth=2, heads=2, mlp_ratio=2.0)


def test_the_papers_encoder_has_601_tokens_and_85_8_million_parameters() -> None:
    with torch.device("meta"):
        encoder = EcgEncoder(EcgEncoderSpec())
        head = torch.nn.Linear(encoder.feature_dim, 256)
    ecg = torch.empty(2, 12, 5000, device="meta")
    tokens = encoder.transform(encoder.embed(ecg))
    assert tokens.shape == (2, 601, 768)
    assert encoder(ecg).shape == (2, 768)
    parameters = [*encoder.parameters(), *head.parameters()]
    assert round(sum(one.numel() for one in parameters) / 1e6, 2) == 85.79


@settings(max_examples=25, deadline=None)
@given(
    leads=st.sampled_from([1, 2, 3, 4, 6, 12]),
    samples=st.sampled_from([50, 100, 200, 250, 500, 625, 1000, 1250, 2500, 5000]),
    heads=st.integers(1, 4),
    channels=st.sampled_from([4, 8, 12]),
    pooling=st.sampled_from(["token", "mean", "attention"]),
)
def test_any_patch_and_width_gives_one_vector_per_recording(
    leads: int, samples: int, heads: int, channels: int, pooling: str
) -> None:
    spec = EcgEncoderSpec(patch=(leads, samples), width=heads * channels, depth=1, heads=heads, mlp_ratio=2.0)
    with torch.device("meta"):
        encoder = EcgEncoder(spec, pooling)
    ecg = torch.empty(3, 12, 5000, device="meta")
    assert encoder(ecg).shape == (3, spec.width)
    assert encoder.embed(ecg).shape == (3, 12 // leads * (5000 // samples), spec.width)


def test_the_class_token_is_what_token_pooling_returns() -> None:
    torch.manual_seed(0)
    encoder = EcgEncoder(TINY).eval()
    ecg = torch.randn(2, 12, 5000)
    torch.testing.assert_close(encoder(ecg), encoder.transform(encoder.embed(ecg))[:, 0])


def test_mean_pooling_averages_the_normalised_patch_tokens() -> None:
    torch.manual_seed(0)
    encoder = EcgEncoder(EcgEncoderSpec(patch=(4, 1000), width=16, depth=2, heads=2, mlp_ratio=2.0), "mean").eval()
    ecg = torch.randn(2, 12, 5000)
    torch.testing.assert_close(encoder(ecg), encoder.transform(encoder.embed(ecg))[:, 1:].mean(dim=1))


def test_attention_pooling_asks_the_patch_tokens_and_not_the_class_token() -> None:
    torch.manual_seed(0)
    encoder = EcgEncoder(TINY, "attention").eval()
    assert encoder.vit.attn_pool is not None
    ecg = torch.randn(2, 12, 5000)
    tokens = encoder.transform(encoder.embed(ecg))[:, 1:]
    torch.testing.assert_close(encoder(ecg), encoder.vit.attn_pool(tokens))
    own = {name for name in encoder.state_dict() if name.startswith(POOLING_WEIGHTS)}
    assert set(encoder.state_dict()) - own == set(EcgEncoder(TINY).state_dict())


def test_a_patch_is_embedded_by_its_own_samples_only() -> None:
    encoder = EcgEncoder(TINY)
    ecg = torch.randn(1, 12, 5000)
    changed = ecg.clone()
    changed[:, 4:8, 2000:3000] += 1
    differs = (encoder.embed(ecg) != encoder.embed(changed)).any(dim=-1)[0]
    assert differs.nonzero().flatten().tolist() == [5 + 2]  # row-major: second row of leads, third second


def test_dropout_acts_in_training_and_not_in_evaluation() -> None:
    torch.manual_seed(0)
    encoder = EcgEncoder(EcgEncoderSpec(patch=(4, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0, dropout=0.5))
    ecg = torch.randn(2, 12, 5000)
    assert not torch.equal(encoder(ecg), encoder(ecg))
    encoder.eval()
    assert torch.equal(encoder(ecg), encoder(ecg))


def test_positions_start_as_sine_cosine_and_are_trainable() -> None:
    encoder = EcgEncoder(TINY)
    assert encoder.positions.requires_grad
    torch.testing.assert_close(encoder.positions.detach(), sincos_positions(TINY.grid, TINY.width))


def test_sine_cosine_positions_match_the_formula() -> None:
    table = sincos_positions((3, 5), 8)[0].numpy()
    assert table.shape == (16, 8)
    assert not table[0].any()  # the class token
    row, column = 2, 4
    frequency = np.array([1.0, 1 / 100.0])
    halves = [np.sin(row * frequency), np.cos(row * frequency), np.sin(column * frequency), np.cos(column * frequency)]
    np.testing.assert_allclose(table[1 + row * 5 + column], np.concatenate(halves), rtol=1e-6)
    assert len(np.unique(table.round(5), axis=0)) == 16


@pytest.mark.parametrize("leads", [1, 3])
def test_positions_tell_leads_apart(leads: int) -> None:
    table = sincos_positions((12 // leads, 5), 8)[0, 1:].reshape(12 // leads, 5, 8)
    assert torch.equal(table[0, :, 4:], table[1, :, 4:])  # the same time
    assert not torch.equal(table[0, :, :4], table[1, :, :4])  # another lead
