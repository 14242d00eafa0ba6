from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eccl.signal.baseline import remove_baseline
from eccl.signal.quality import EcgQuality, measure_quality

TIME = np.arange(5000) / 500


def make_leads(noise_uv: float = 5.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    beats = 1000 * np.exp(-0.5 * (((TIME[:, None] - np.arange(0.3, 10, 0.9)) / 0.012) ** 2)).sum(axis=1)
    return np.linspace(0.4, 1.5, 12)[:, None] * beats + rng.normal(0, noise_uv, size=(12, 5000))


def measure(raw: np.ndarray) -> EcgQuality:
    return measure_quality(raw, remove_baseline(raw, 450), 500)


def test_flat_leads_are_counted_and_never_give_nan() -> None:
    leads = make_leads()
    leads[[2, 7]] = [[0.0], [-35.0]]
    quality = measure(leads)
    assert quality.flat_leads == 2
    assert all(np.isfinite(getattr(quality, name)) for name in EcgQuality.__slots__)
    assert measure(np.full((12, 5000), 3.0)) == EcgQuality(12, 0.0, 0.0, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.int16, (12, 300), elements=st.integers(-32768, 32767), fill=st.just(0)))
def test_every_recording_has_finite_numbers(raw: np.ndarray) -> None:
    quality = measure_quality(raw, remove_baseline(raw, 100), 500)
    assert all(np.isfinite(getattr(quality, name)) for name in EcgQuality.__slots__)
    assert 0 <= quality.saturated_fraction <= 1


def test_noise_is_measured_between_beats() -> None:
    # white noise of 20 uV has sqrt(1 - 30/250) of its power above 30 Hz
    for noise in (5.0, 20.0):
        assert measure(make_leads(noise)).noise_rms_uv == pytest.approx(noise * np.sqrt(1 - 30 / 250), rel=0.1)


def test_one_noisy_lead_does_not_decide() -> None:
    leads = make_leads(5.0)
    expected = measure(leads).noise_rms_uv
    leads[4] += np.random.default_rng(1).normal(0, 300, size=5000)
    assert measure(leads).noise_rms_uv == pytest.approx(expected, rel=0.2)


def test_baseline_is_that_of_the_worst_lead() -> None:
    leads = make_leads()
    leads[9] += 400 * np.sin(2 * np.pi * 0.1 * TIME) + 5000
    # the offset is no wander; a slow sine passes the average almost unchanged
    assert measure(leads).baseline_rms_uv == pytest.approx(400 / np.sqrt(2), rel=0.1)


def test_amplitude_is_that_of_the_largest_lead() -> None:
    raw = np.zeros((12, 5000))
    raw[5, ::20] = 1500
    assert measure_quality(raw, raw, 500).amplitude_p99_uv == 1500


def test_only_long_runs_at_the_extreme_are_saturation() -> None:
    leads = make_leads()
    assert measure(leads).saturated_fraction == 0
    top = leads.max() + 100
    leads[3, 1000:1200] = top  # 400 ms
    leads[4, 1000:1010] = top  # 20 ms
    leads[5, 2000:2100] = leads[5].max() - 50  # long, and not extreme
    leads[6, 3000:3050] = -top
    leads[6, 4000:4050] = -top
    assert measure(leads).saturated_fraction == pytest.approx(300 / 60_000)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="twice the same"):
        measure_quality(np.zeros((12, 10)), np.zeros((12, 11)), 500)
