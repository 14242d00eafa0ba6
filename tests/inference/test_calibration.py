from __future__ import annotations

import numpy as np
import pytest

from eccl.evaluation.suppression import SMALLEST_GROUP
from eccl.inference.calibration import (
    FEWEST_OF_A_CLASS,
    FEWEST_RESIDUALS,
    STEEP_SLOPE,
    Platt,
    conformal_margin,
    fit_platt,
)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("count", [9, 10, 19, 20, 99, 100, 257])
def test_the_margin_is_the_smallest_that_holds_enough_residuals(count: int) -> None:
    residual = np.random.default_rng(count).normal(size=count)
    margin = conformal_margin(residual)
    held = [candidate for candidate in np.abs(residual) if (np.abs(residual) <= candidate).sum() >= 0.9 * (count + 1)]
    assert margin == min(held)


def test_nine_visits_are_the_fewest_for_ninety_percent() -> None:
    assert FEWEST_RESIDUALS == 9
    assert np.isnan(conformal_margin(np.arange(8.0)))
    assert conformal_margin(-np.arange(9.0)) == 8.0
    assert np.isnan(conformal_margin(np.empty(0)))


def test_the_interval_contains_nine_of_ten_new_values_of_any_distribution() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(4000):
        residual = rng.standard_t(2, size=30)  # no variance
        held.append(abs(residual[-1]) <= conformal_margin(residual[:-1]))
    # 29 visits: exactly ceil(27) / 30.
    assert np.mean(held) == pytest.approx(27 / 30, abs=4 * np.sqrt(0.09 / 4000))


def test_a_known_curve_is_found_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(5)
    held, slopes, slope_held = [], [], []
    for _ in range(150):
        logit = rng.normal(1.0, 2.0, size=600)
        label = (rng.random(600) < sigmoid(-1.0 + 0.5 * logit)).astype(float)
        fitted = fit_platt(label, logit)
        assert fitted is not None
        _, lower, upper = fitted.apply(np.array([2.0]))
        held.append(lower[0] <= sigmoid(np.array(0.0)) <= upper[0])
        slopes.append(fitted.slope)
        slope_held.append(fitted.slope_interval[0] <= 0.5 <= fitted.slope_interval[1])
        assert fitted.separates_cases
    assert np.mean(slopes) == pytest.approx(0.5, abs=0.03)
    assert np.mean(held) == pytest.approx(0.95, abs=0.06)
    assert np.mean(slope_held) == pytest.approx(0.95, abs=0.06)


def test_outputs_unrelated_to_the_disease_rarely_separate_cases() -> None:
    rng = np.random.default_rng(8)
    label = np.r_[np.ones(12), np.zeros(68)]
    passed = [fitted.separates_cases for _ in range(250) if (fitted := fit_platt(label, rng.normal(size=80)))]
    assert len(passed) == 250
    assert np.mean(passed) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 250)


@pytest.mark.parametrize(
    ("slope", "error", "separates_cases"), [(1.0, 0.5, True), (0.97, 0.5, False), (-3.0, 0.5, False)]
)
def test_a_curve_counts_only_where_its_whole_slope_interval_is_above_0(
    slope: float, error: float, separates_cases: bool
) -> None:
    curve = Platt(-1.0, slope, np.array([[9.0, 0.1], [0.1, error**2]]))
    assert curve.separates_cases is separates_cases
    np.testing.assert_allclose(curve.slope_interval, [slope - 1.96 * error, slope + 1.96 * error], atol=1e-4)


def test_a_model_with_reversed_outputs_has_no_usable_curve() -> None:
    label, logit = np.r_[np.ones(15), np.zeros(60)], np.r_[np.linspace(-3, 0, 15), np.linspace(-1, 3, 60)]
    right, wrong = fit_platt(label, -logit), fit_platt(label, logit)
    assert right is not None
    assert wrong is not None
    assert right.separates_cases
    assert not wrong.separates_cases
    assert wrong.slope_interval[1] < 0


def test_two_outputs_that_fit_every_label_give_a_finite_curve_without_a_warning() -> None:
    label = np.r_[np.ones(10), np.zeros(10)]
    fitted = fit_platt(label, label)  # warnings are errors
    assert fitted is not None
    assert fitted.separates_cases
    np.testing.assert_allclose(fitted.apply(np.array([0.0, 1.0]))[0], [1 / 12, 11 / 12], rtol=1e-6)


def test_outputs_that_vary_little_give_a_steep_curve() -> None:
    rng = np.random.default_rng(9)
    label = np.r_[np.ones(20), np.zeros(60)]
    fitted = fit_platt(label, 0.05 * (2 * label + rng.normal(size=80)))
    assert fitted is not None
    assert fitted.separates_cases
    assert fitted.slope > STEEP_SLOPE


def test_a_shifted_and_scaled_logit_gives_the_same_probabilities() -> None:
    rng = np.random.default_rng(6)
    logit = rng.normal(size=200)
    label = (rng.random(200) < sigmoid(2 * logit)).astype(float)
    one, other = fit_platt(label, logit), fit_platt(label, 1000 + 50 * logit)
    assert one is not None
    assert other is not None
    for mine, scaled in zip(one.apply(logit), other.apply(1000 + 50 * logit), strict=True):
        np.testing.assert_allclose(mine, scaled, rtol=1e-6)


def test_classes_separated_perfectly_keep_finite_probabilities() -> None:
    logit = np.r_[np.linspace(-3, -1, 20), np.linspace(1, 3, 10)]
    label = np.r_[np.zeros(20), np.ones(10)]
    fitted = fit_platt(label, logit)
    assert fitted is not None
    assert fitted.separates_cases
    probability, lower, upper = fitted.apply(np.array([-2.0, 0.0, 2.0]))
    assert (np.diff(probability) > 0).all()
    assert (lower < probability).all()
    assert (probability < upper).all()
    assert (upper < 1).all()
    assert (lower > 0).all()


@pytest.mark.parametrize(("cases", "others"), [(9, 40), (40, 9), (0, 40), (0, 0)])
def test_too_few_of_a_class_are_not_fitted(cases: int, others: int) -> None:
    label = np.r_[np.ones(cases), np.zeros(others)]
    assert fit_platt(label, np.arange(len(label), dtype=float)) is None


def test_a_curve_needs_ten_visits_of_each_class() -> None:
    assert fit_platt(np.r_[np.ones(10), np.zeros(10)], np.arange(20.0)) is not None
    assert FEWEST_OF_A_CLASS == SMALLEST_GROUP == 10


def test_equal_logits_are_not_fitted() -> None:
    assert fit_platt(np.r_[np.ones(10), np.zeros(10)], np.ones(20)) is None
