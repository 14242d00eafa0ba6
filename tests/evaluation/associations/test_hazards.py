"""Whether Cox models notice hazards that are not proportional, and when there are too few events for one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2
from statsmodels.duration.hazard_regression import PHReg

from eccl.evaluation.associations.regression import find_proportionality, fit_hazard

Float = NDArray[np.float64]
TURN, END = 600.0, 2000.0
PROPORTIONAL, CROSSING = 0.7, -0.7
"""Logarithm of the hazard ratio after TURN; before it is 0.7."""


def simulate_events(late: float, seed: int = 5, people: int = 400) -> tuple[Float, Float, Float, Float]:
    """Days, events, a predictor whose log hazard ratio is 0.7 until day 600 and `late` from then on, and a covariate."""
    rng = np.random.default_rng(seed)
    x, age, spent = rng.normal(size=people), rng.normal(size=people), rng.exponential(size=people)
    early_rate, late_rate = np.exp(0.7 * x + 0.3 * age) / 1500, np.exp(late * x + 0.3 * age) / 1500
    # The inverse of a cumulative hazard of two straight pieces.
    days = np.where(spent < TURN * early_rate, spent / early_rate, TURN + (spent - TURN * early_rate) / late_rate)
    return np.minimum(days, END), (days <= END).astype(float), x, age


@pytest.mark.parametrize(("late", "expected", "tolerance"), [
    (PROPORTIONAL, 0.23067473968022156, 1e-6),
    (CROSSING, 6.411449074902676e-20, 1e-3),
])  # fmt: skip
def test_p_is_that_of_lifelines(late: float, expected: float, tolerance: float) -> None:
    """`proportional_hazard_test(..., time_transform="rank")` of lifelines 0.30.3 on the same numbers."""
    days, is_event, x, age = simulate_events(late)
    assert fit_hazard(days, is_event, x, {"age": age}).ph_p == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("seed", range(3))
def test_p_is_the_slope_of_residuals_by_hand(seed: int) -> None:
    """Residuals, information and the test from their definitions, participant by participant."""
    days, is_event, x, age = simulate_events(PROPORTIONAL, seed, people=120)
    design = np.column_stack([x, age])
    result = PHReg(days, design, status=is_event, ties="efron").fit(disp=0)
    residuals, information = [], np.zeros((2, 2))
    times = np.sort(days[is_event == 1])
    for time in times:
        at_risk = design[days >= time]
        weights = np.exp(at_risk @ result.params)
        mean = weights @ at_risk / weights.sum()
        information += (at_risk - mean).T @ ((at_risk - mean) * (weights / weights.sum())[:, None])
        residuals.append(design[days == time][0] - mean)
    covariance = np.linalg.inv(information)
    rank = np.arange(len(times)) - (len(times) - 1) / 2
    slope = rank @ (np.array(residuals) @ covariance[:, 0]) * len(times) / (rank @ rank)
    variance = len(times) * covariance[0, 0] / (rank @ rank)
    assert find_proportionality(result) == pytest.approx(chi2.sf(slope**2 / variance, 1), rel=1e-6)


def test_p_is_even_where_hazards_are_proportional() -> None:
    found = [
        fit_hazard(days, is_event, x, {"age": age}).ph_p or 0.0
        for days, is_event, x, age in (simulate_events(PROPORTIONAL, seed, people=150) for seed in range(60))
    ]
    assert np.mean(np.array(found) < 0.05) < 0.15
    assert 0.35 < np.mean(found) < 0.65


def test_crossing_hazards_are_noted_and_proportional_ones_are_not() -> None:
    days, is_event, x, age = simulate_events(PROPORTIONAL)
    steady = fit_hazard(days, is_event, x, {"age": age})
    assert (steady.ph_p or 0) > 0.2
    assert steady.note == ""
    days, is_event, x, age = simulate_events(CROSSING)
    crossing = fit_hazard(days, is_event, x, {"age": age, "sex": np.ones(len(x))})
    assert crossing.coefficient is not None
    assert (crossing.p or 0) > 0.05  # the average hides what is there
    assert crossing.note == (
        "sex left out: the same for everybody; "
        "hazards not proportional (p=6.4e-20); the ratio is an average over follow-up"
    )


def test_events_at_one_time_have_no_trend() -> None:
    days, _, x, age = simulate_events(PROPORTIONAL)
    fit = fit_hazard(np.where(days < TURN, 1.0, 2.0), (days < TURN).astype(float), x, {"age": age})
    assert fit.coefficient is not None
    assert (fit.ph_p, fit.note) == (None, "")


@pytest.mark.parametrize(("covariates", "fewest"), [(0, 10), (1, 10), (2, 15), (3, 20)])
def test_every_coefficient_needs_five_events(covariates: int, fewest: int) -> None:
    rng = np.random.default_rng(4)
    days, x = rng.exponential(size=300), rng.normal(size=300)
    others = {f"c{i}": rng.normal(size=300) for i in range(covariates)}
    is_event = np.zeros(300)
    is_event[:fewest] = 1
    enough = fit_hazard(days, is_event, x, others)
    assert enough.coefficient is not None
    assert enough.events == fewest
    is_event[0] = 0
    few = fit_hazard(days, is_event, x, others)
    assert (few.coefficient, few.ph_p) == (None, None)
    terms = "1 coefficient" if covariates == 0 else f"{covariates + 1} coefficients"
    told = "fewer than 10" if fewest == 10 else str(fewest - 1)
    assert few.note == f"{told} events, expected at least {fewest} for {terms}"
