from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.seasonal import seasonal_decompose

from eccl.signal.baseline import measure_trend, remove_baseline


def decompose(lead: np.ndarray, period: int) -> np.ndarray:
    return np.asarray(seasonal_decompose(lead, model="additive", period=period, two_sided=True).trend)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 150), st.integers(0, 200), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1e4]))
def test_trend_equals_the_seasonal_decomposition(period: int, surplus: int, seed: int, offset: float) -> None:
    # statsmodels wants two full periods
    lead = np.random.default_rng(seed).normal(offset, 300.0, size=2 * period + surplus)
    expected, trend = decompose(lead, period), measure_trend(lead, period)
    defined = np.flatnonzero(~np.isnan(expected))
    np.testing.assert_allclose(trend[defined], expected[defined], rtol=0, atol=1e-9)
    assert set(trend[: defined[0]]) <= {trend[defined[0]]}
    assert set(trend[defined[-1] + 1 :]) <= {trend[defined[-1]]}


@pytest.mark.parametrize("period", [714, 500, 491, 422])
def test_a_record_of_integers_equals_the_decomposition_of_each_lead(period: int) -> None:
    ecg = np.random.default_rng(1).integers(-32768, 32767, size=(12, 5000)).astype(np.int16)
    clean = remove_baseline(ecg, period)
    assert clean.shape == ecg.shape
    assert clean.dtype == np.float64
    inside = slice(period // 2, -(period // 2))
    for lead in (0, 11):
        expected = ecg[lead] - decompose(ecg[lead].astype(float), period)
        np.testing.assert_allclose(clean[lead, inside], expected[inside], rtol=0, atol=1e-9)


@pytest.mark.parametrize("period", [4, 5, 500, 501])
def test_a_whole_period_and_a_straight_line_leave_the_expected(period: int) -> None:
    time = np.arange(2001.0)
    wave = np.sin(2 * np.pi * time / period)
    inside = slice(period // 2, -(period // 2))
    # one period averages to zero, a line averages to itself
    np.testing.assert_allclose(remove_baseline(wave + 3 * time, period)[inside], wave[inside], atol=1e-9)


def test_a_flat_lead_becomes_zero_and_others_do_not_notice() -> None:
    ecg = np.random.default_rng(2).normal(size=(2, 3, 400))
    flat = ecg.copy()
    flat[1, 2] = 7.0
    clean = remove_baseline(flat, 101)
    np.testing.assert_allclose(clean[1, 2], 0, atol=1e-12)
    np.testing.assert_array_equal(clean[0], remove_baseline(ecg, 101)[0])
    assert np.isfinite(clean).all()


def test_the_input_is_left_alone() -> None:
    ecg = np.arange(10.0)
    remove_baseline(ecg, 3)
    np.testing.assert_array_equal(ecg, np.arange(10.0))


def test_the_longest_period_fits_once() -> None:
    lead = np.arange(9.0)
    np.testing.assert_allclose(measure_trend(lead, 9), 4.0)
    np.testing.assert_allclose(measure_trend(lead, 8), 4.0)


@pytest.mark.parametrize("period", [0, -1, 10, 11])
def test_an_impossible_period_is_refused(period: int) -> None:
    with pytest.raises(ValueError, match=f"period of {period} samples for a signal of 9"):
        measure_trend(np.arange(9.0), period)
