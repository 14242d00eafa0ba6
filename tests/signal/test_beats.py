from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eccl.readers.ecg.cardiosoft import read_ecg_xml
from eccl.signal.beats import choose_period, estimate_rr_samples, find_beats, measure_qrs_energy, rr_period_samples
from tests.support.paths import CARDIOSOFT_ECG, REAL_FILES, needs


def make_ecg(
    rr_s: float, rate_hz: float = 500.0, noise_uv: float = 10.0, jitter: float = 0.0, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Twelve leads with P, QRS and T as bumps, baseline wander and white noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(10 * rate_hz)) / rate_hz
    beats = np.cumsum(rr_s * (1 + jitter * rng.uniform(-1, 1, size=200)))
    beats = beats[beats < 10.5] - 0.4
    scale = min(1.0, rr_s / 0.8)
    wave = np.zeros_like(time)
    for height, at, width in ((80, -0.17, 0.03), (1000, 0.0, 0.012), (-200, 0.025, 0.012), (300, 0.28, 0.05)):
        stretch = scale if abs(at) > 0.1 else 1.0
        wave += height * np.exp(-0.5 * ((time[:, None] - beats - at * stretch) / (width * stretch)) ** 2).sum(axis=1)
    gains = np.linspace(-1, 1.2, 12)[:, None]
    wander = 200 * np.sin(2 * np.pi * 0.25 * time)
    return gains * wave + wander + rng.normal(0, noise_uv, size=(12, len(time)))


@pytest.mark.parametrize("rr_s", [0.35, 0.5, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
def test_rr_is_found_at_any_rate(rr_s: float, rate_hz: float) -> None:
    estimate = estimate_rr_samples(make_ecg(rr_s, rate_hz), rate_hz)
    assert estimate is not None
    assert estimate == pytest.approx(rr_s * rate_hz, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.45, 1.4), st.integers(0, 10_000))
def test_rr_survives_noise_irregular_beats_and_lost_leads(rr_s: float, seed: int) -> None:
    ecg = make_ecg(rr_s, noise_uv=40, jitter=0.2, seed=seed)
    ecg[3:9] = 0
    estimate = estimate_rr_samples(ecg, 500)
    assert estimate is not None
    assert estimate == pytest.approx(rr_s * 500, rel=0.12)


def test_scaling_and_polarity_do_not_matter() -> None:
    ecg = make_ecg(0.8)
    np.testing.assert_array_equal(find_beats(ecg, 500), find_beats(-3 * ecg, 500))


@pytest.mark.parametrize("ecg", [np.zeros((12, 5000)), np.full((12, 5000), 7), np.zeros((0, 5000)), np.ones((12, 5))])
def test_no_signal_has_no_beats(ecg: npt.NDArray[np.float64]) -> None:
    assert not measure_qrs_energy(ecg, 500).any()
    assert len(find_beats(ecg, 500)) == 0
    assert estimate_rr_samples(ecg, 500) is None


def test_period_is_one_rr_in_samples_rounded_down() -> None:
    # int(5000 * 6 / rate) at 500 Hz
    for rate in (42, 57, 60, 61.5, 110):
        assert rr_period_samples(rate, 500) == int(5000 * 6 / rate)
    for rate in (0, -60, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="positive"):
            rr_period_samples(rate, 500)


@pytest.mark.parametrize("rate", [None, 0, -1, 5, 400, float("nan")])
def test_an_implausible_device_rate_gives_way_to_the_signal(rate: float | None) -> None:
    period, source = choose_period(rate, make_ecg(0.8), 500)
    assert source == "signal"
    assert period == pytest.approx(400, rel=0.02)


def test_the_device_comes_first_and_the_default_last() -> None:
    assert choose_period(60, make_ecg(0.8), 500) == (500, "device")
    assert choose_period(None, np.zeros((12, 5000)), 500) == (500, "default")
    assert choose_period(None, np.zeros((12, 100)), 500) == (99, "default")


@needs(CARDIOSOFT_ECG)
def test_a_real_cardiosoft_recording_agrees_with_its_device() -> None:
    record = read_ecg_xml(CARDIOSOFT_ECG.read_bytes())
    device = record.measurements.rr_interval_ms
    assert device is not None
    estimate = estimate_rr_samples(record.signal_uv, record.sample_rate_hz)
    assert estimate is not None
    assert estimate * 2 == pytest.approx(device, rel=0.05)
    beats_ms = find_beats(record.signal_uv, record.sample_rate_hz) * 2
    np.testing.assert_allclose(beats_ms, record.beat_times_ms, atol=40)


def test_a_real_diagnostic_recording_agrees_with_its_autocorrelation() -> None:
    ecg = np.fromfile(REAL_FILES / "ptb_s0010_re.dat", "<i2").reshape(-1, 12).T / 2.0
    estimate = estimate_rr_samples(ecg, 1000)
    assert estimate is not None
    # independent of peaks: the first lag, between 40 and 150 per minute, at which lead II resembles itself
    slope = np.diff(ecg[1])
    power = np.abs(np.fft.rfft(slope - slope.mean(), 2 * len(slope))) ** 2
    likeness = np.fft.irfft(power)[400:1500]
    assert estimate == pytest.approx(400 + int(np.argmax(likeness)), rel=0.05)
    assert estimate_rr_samples(ecg[:, ::2], 500) == pytest.approx(estimate / 2, rel=0.02)
