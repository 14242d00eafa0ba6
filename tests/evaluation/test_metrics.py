"""Scores against scikit-learn, scipy and statsmodels on the same vectors."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, mean_absolute_error, r2_score, roc_auc_score

from eccl.models import scores

Vectors = tuple[np.ndarray, np.ndarray]


def draw(seed: int, count: int = 400, *, prevalence: float = 0.2, rounded: bool = False) -> Vectors:
    """Labels, and logits that know something of them."""
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < prevalence).astype(float)
    logit = 1.3 * label - 2 + 1.5 * rng.normal(size=count)
    return label, np.round(logit, 1) if rounded else logit


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_disease_scores_equal_scikit_learn(seed: int, rounded: bool) -> None:
    label, logit = draw(seed, rounded=rounded)  # rounded scores are tied
    probability = 1 / (1 + np.exp(-logit))
    assert scores.roc_auc(label, logit) == pytest.approx(roc_auc_score(label, logit), abs=1e-12)
    expected = average_precision_score(label, logit)
    assert scores.average_precision(label, logit) == pytest.approx(expected, abs=1e-12)
    assert scores.brier_score(label, probability) == pytest.approx(brier_score_loss(label, probability), abs=1e-12)


def test_expected_calibration_error_equals_scikit_learns_curve() -> None:
    label, logit = draw(4)
    probability = 1 / (1 + np.exp(-logit))
    observed, predicted = calibration_curve(label, probability, n_bins=10, strategy="uniform")
    count = np.histogram(probability, bins=np.linspace(0, 1, 11))[0]
    expected = (np.abs(observed - predicted) * count[count > 0]).sum() / count.sum()
    assert scores.expected_calibration_error(label, probability) == pytest.approx(expected, abs=1e-12)
    assert scores.expected_calibration_error(label, label) == 0  # a probability of 1 has a bin


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("factor", [1e-3, 1.0, 30.0])
def test_calibration_equals_statsmodels(seed: int, factor: float) -> None:
    label, logit = draw(seed)
    logit = logit * factor
    binomial = sm.families.Binomial()
    design = sm.add_constant(logit / factor)
    slope = sm.GLM(label, design, family=binomial).fit().params[1] / factor
    found = scores.calibration(label, logit)
    assert found[1] == pytest.approx(slope, rel=1e-6)
    if factor <= 1:  # statsmodels cuts probabilities off that are too near to 0 and 1
        intercept = sm.GLM(label, np.ones(len(label)), family=binomial, offset=logit).fit().params[0]
        assert found[0] == pytest.approx(intercept, abs=1e-6)


def test_calibration_of_a_calibrated_model_is_right() -> None:
    rng = np.random.default_rng(8)
    logit = rng.normal(-1, 1.5, 200_000)
    label = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)
    assert scores.calibration(label, logit) == pytest.approx((0, 1), abs=0.03)
    shifted = scores.calibration(label, 2 * logit + 1)
    assert shifted[0] < -0.5  # too high
    assert shifted[1] == pytest.approx(0.5, abs=0.02)  # too extreme


def test_calibration_without_an_answer_is_nan() -> None:
    label = np.array([0.0, 0, 0, 1, 1])
    assert np.isnan(scores.calibration(label, np.array([-2.0, -1, -1, 1, 2]))[1])  # told apart: the slope is infinite
    assert np.isnan(scores.calibration(np.zeros(4), np.arange(4.0))).all()
    assert np.isnan(scores.calibration(label, np.array([0.0, 1, np.inf, 1, 0]))).all()
    intercept, slope = scores.calibration(label, np.zeros(5))
    assert intercept == pytest.approx(np.log(2 / 3))
    assert np.isnan(slope)


@pytest.mark.parametrize("seed", [9, 10])
def test_trait_scores_equal_scipy_and_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(150, 30, 300)
    predicted = 0.5 * target + rng.normal(60, 20, 300)
    unknown = rng.random(300) < 0.2
    held = np.where(unknown, np.nan, target)
    known = target[~unknown], predicted[~unknown]
    assert scores.pearson_r(held, predicted) == pytest.approx(pearsonr(*known).statistic, abs=1e-12)
    assert scores.r_squared(held, predicted) == pytest.approx(r2_score(*known), abs=1e-12)
    assert scores.mean_absolute_error(held, predicted) == pytest.approx(mean_absolute_error(*known), abs=1e-12)


def test_undecided_visits_are_left_out_of_every_score() -> None:
    label, logit = draw(11)
    probability = 1 / (1 + np.exp(-logit))
    held = np.where(np.arange(len(label)) % 3 == 0, np.nan, label)
    kept = ~np.isnan(held)
    for score, side in (
        (scores.roc_auc, logit),
        (scores.average_precision, logit),
        (scores.brier_score, probability),
        (scores.expected_calibration_error, probability),
    ):
        assert score(held, side) == pytest.approx(score(label[kept], side[kept]), abs=1e-15)
    assert scores.calibration(held, logit) == pytest.approx(scores.calibration(label[kept], logit[kept]))


@pytest.mark.parametrize("label", [np.zeros(5), np.ones(5), np.full(5, np.nan)])
def test_one_class_alone_has_no_ranking(label: np.ndarray) -> None:
    score = np.arange(5.0)
    assert np.isnan(scores.roc_auc(label, score))
    assert np.isnan(scores.average_precision(label, score))
    assert np.isnan(scores.brier_score(label, score)) == np.isnan(label).all()


def test_a_missing_prediction_is_never_scored_as_a_guess() -> None:
    label, logit = draw(12, 20)
    logit[3] = np.nan
    assert np.isnan(scores.roc_auc(label, logit))
    assert np.isnan(scores.average_precision(label, logit))
    assert np.isnan(scores.brier_score(label, logit))
    assert np.isnan(scores.expected_calibration_error(label, logit))
    assert np.isnan(scores.r_squared(np.array([1.0]), np.array([2.0])))
    assert np.isnan(scores.r_squared(np.ones(4), np.arange(4.0)))
    assert np.isnan(scores.mean_absolute_error(np.array([np.nan]), np.array([2.0])))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_average_precision_equals_scikit_learn_whatever_the_ties(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.r_[1.0, 0.0, (rng.random(count) < 0.4)]
    score = rng.integers(0, 6, count + 2).astype(float)
    assert scores.average_precision(label, score) == pytest.approx(average_precision_score(label, score), abs=1e-12)
