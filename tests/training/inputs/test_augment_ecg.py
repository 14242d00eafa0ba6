"""Crops, flips and scaling of recordings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from eccl.training.inputs.augment import augment_ecg, crop_ecg, scale_ecg
from eccl.training.settings import EcgAugmentConfig
from tests.support.tiny_workspace import changed

STILL = EcgAugmentConfig(
    crop_samples=5000, crop_policy="pad", time_flip=0.0, sign_flip=0.0, flip_for_diseases=True, scaling="lead_minmax"
)
RAMP = (torch.arange(1, 5001) + 6000 * torch.arange(12)[:, None]).repeat(4, 1, 1)  # every sample shows where it was


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_identity_parameters_change_nothing() -> None:
    ecg = torch.randint(-500, 500, (3, 12, 5000), dtype=torch.int16)
    changed = augment_ecg(ecg, STILL, generator())
    assert changed.dtype == torch.float32
    assert torch.equal(changed, ecg.float())


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 5000), seed=st.integers(0, 50))
def test_a_padded_crop_is_a_window_and_then_zeros(length: int, seed: int) -> None:
    crop = crop_ecg(RAMP.float(), changed(STILL, crop_samples=length), generator(seed))
    assert crop.shape == RAMP.shape
    assert (crop[..., length:] == 0).all()
    for one in crop:
        start = int(one[0, 0]) - 1
        assert 0 <= start <= 5000 - length
        assert torch.equal(one[:, :length], RAMP[0, :, start : start + length].float())


def test_every_start_can_be_drawn_the_last_valid_one_too() -> None:
    crop = crop_ecg(RAMP.float().repeat(20, 1, 1), changed(STILL, crop_samples=4998), generator())
    assert set(crop[:, 0, 0].tolist()) == {1.0, 2.0, 3.0}


def test_a_resized_crop_is_linear_interpolation_of_the_window() -> None:
    signal = torch.randn(2, 12, 5000, generator=generator())
    config = changed(STILL, crop_samples=4000)
    window = crop_ecg(signal, config, generator(5))[..., :4000]
    resized = crop_ecg(signal, changed(config, crop_policy="resize"), generator(5))
    expected = functional.interpolate(window, size=5000, mode="linear", align_corners=False)
    torch.testing.assert_close(resized, expected)


def test_flips_reverse_time_and_invert_every_lead() -> None:
    ecg = torch.randn(2, 12, 5000, generator=generator())
    assert torch.equal(augment_ecg(ecg, changed(STILL, time_flip=1.0), generator()), ecg.flip(-1))
    assert torch.equal(augment_ecg(ecg, changed(STILL, sign_flip=1.0), generator()), -ecg)


def test_flips_are_drawn_for_each_recording_with_their_probability() -> None:
    ecg = functional.pad(torch.randn(400, 12, 4, generator=generator()), (0, 4996)).to(torch.float16)
    found = augment_ecg(ecg, changed(STILL, sign_flip=0.33), generator(1))[..., :4]
    is_inverted = (found == -ecg[..., :4]).flatten(1).all(dim=1)
    is_same = (found == ecg[..., :4]).flatten(1).all(dim=1)
    assert (is_inverted ^ is_same).all()  # all leads of a recording together
    assert 0.26 < is_inverted.float().mean() < 0.40


def test_without_flips_the_same_windows_are_cut() -> None:
    config = changed(STILL, crop_samples=4000)
    flipping = changed(config, time_flip=0.5, sign_flip=0.5)
    expected = augment_ecg(RAMP, config, generator(2))
    assert torch.equal(augment_ecg(RAMP, flipping, generator(2), flips=False), expected)
    assert not torch.equal(augment_ecg(RAMP, flipping, generator(2)), expected)


@pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
def test_lead_minmax_fills_the_range_of_every_lead(dtype: torch.dtype) -> None:
    ecg = (torch.randn(3, 12, 5000, generator=generator()) * 300 * torch.arange(1, 13)[:, None]).to(dtype)
    scaled = scale_ecg(ecg, "lead_minmax")
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled.amin(-1), torch.full((3, 12), -1.0))
    torch.testing.assert_close(scaled.amax(-1), torch.full((3, 12), 1.0))
    wide = ecg.numpy().astype(np.float64)
    low, high = wide.min(-1, keepdims=True), wide.max(-1, keepdims=True)
    np.testing.assert_allclose(scaled.numpy(), (wide - low) / (high - low) * 2 - 1, atol=1e-5)


def test_the_full_int16_range_does_not_overflow() -> None:
    ecg = torch.zeros(1, 12, 5000, dtype=torch.int16)
    ecg[..., 0], ecg[..., 1] = -32768, 32767
    assert scale_ecg(ecg, "lead_minmax")[0, 0, :2].tolist() == [-1.0, 1.0]


def test_a_flat_lead_becomes_zero_and_harms_no_other() -> None:
    ecg = torch.randn(2, 12, 5000, generator=generator()) * 100
    clean = scale_ecg(ecg, "lead_minmax")
    ecg[0, 3] = 812
    scaled = scale_ecg(ecg, "lead_minmax")
    assert (scaled[0, 3] == 0).all()
    assert scaled.isfinite().all()
    scaled[0, 3] = clean[0, 3]
    assert torch.equal(scaled, clean)


def test_millivolts_keep_amplitudes_comparable_and_bound_artefacts() -> None:
    ecg: Tensor = torch.tensor([0, 1500, -250, 30000], dtype=torch.int16).repeat(1, 12, 1250)
    assert scale_ecg(ecg, "millivolt")[0, 0, :4].tolist() == [0.0, 1.5, -0.25, 5.0]
