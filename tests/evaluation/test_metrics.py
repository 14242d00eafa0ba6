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

from eccl.evaluation.metrics import calibration, score_each, score_logits, score_trait

Vectors = tuple[np.ndarray, np.ndarray]


def draw(seed: int, count: int = 400, *, prevalence: float = 0.2, rounded: bool = False) -> Vectors:
    """Labels, and logits that know something of them."""
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < prevalence).astype(float)
    logit = 1.3 * label - 2 + 1.5 * rng.normal(size=count)
    return label, np.round(logit, 1) if rounded else logit


def scored(label: np.ndarray, logit: np.ndarray) -> dict[str, float]:
    return score_logits(label, logit, 1 / (1 + np.exp(-logit)))


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_disease_scores_equal_scikit_learn(seed: int, rounded: bool) -> None:
    label, logit = draw(seed, rounded=rounded)  # rounded scores are tied
    found = scored(label, logit)
    assert found["auc"] == pytest.approx(roc_auc_score(label, logit), abs=1e-12)
    assert found["average_precision"] == pytest.approx(average_precision_score(label, logit), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(label, 1 / (1 + np.exp(-logit))), abs=1e-12)


def test_expected_calibration_error_equals_scikit_learns_curve() -> None:
    label, logit = draw(4)
    probability = 1 / (1 + np.exp(-logit))
    observed, predicted = calibration_curve(label, probability, n_bins=10, strategy="uniform")
    count = np.histogram(probability, bins=np.linspace(0, 1, 11))[0]
    expected = (np.abs(observed - predicted) * count[count > 0]).sum() / count.sum()
    assert scored(label, logit)["ece"] == pytest.approx(expected, abs=1e-12)
    assert score_logits(label, logit, label)["ece"] == 0  # a probability of 1 has a bin


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("factor", [1e-3, 1.0, 30.0])
def test_calibration_solves_the_likelihoods_equations(seed: int, factor: float) -> None:
    label, logit = draw(seed)
    logit = logit * factor
    found = scored(label, logit)
    intercept, slope = found["calibration_intercept"], found["calibration_slope"]
    design = sm.add_constant(logit)
    assert slope == pytest.approx(sm.Logit(label, design).fit(disp=0, maxiter=200).params[1], rel=1e-5)
    if factor <= 1:  # statsmodels cuts probabilities off that are too near to 0 and 1
        assert (1 / (1 + np.exp(-(logit + intercept)))).sum() == pytest.approx(label.sum(), rel=1e-6)


def test_calibration_of_a_calibrated_model_is_right() -> None:
    rng = np.random.default_rng(8)
    logit = rng.normal(-1, 1.5, 200_000)
    label = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)
    assert calibration(label > 0.5, logit) == pytest.approx((0, 1), abs=0.03)
    shifted = calibration(label > 0.5, 2 * logit + 1)
    assert shifted[0] < -0.5  # too high
    assert shifted[1] == pytest.approx(0.5, abs=0.02)  # too extreme


def test_calibration_without_an_answer_is_nan() -> None:
    is_case = np.array([False, False, False, True, True])
    for logit in ([-2.0, -1, -1, 1, 2], [2.0, 1, 1, -1, -2], [-2.0, -1, 1, 1, 2]):  # told apart, the last but for a tie
        intercept, slope = calibration(is_case, np.array(logit))
        assert np.isfinite(intercept)
        assert np.isnan(slope)  # infinite
    assert np.isnan(calibration(np.zeros(4, bool), np.arange(4.0))).all()
    assert np.isnan(calibration(is_case, np.array([0.0, 1, np.inf, 1, 0]))).all()
    intercept, slope = calibration(is_case, np.zeros(5))
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
    found = score_trait(held, predicted)
    assert found["n"] == len(known[0])
    assert found["r"] == pytest.approx(pearsonr(*known).statistic, abs=1e-12)
    assert found["r2"] == pytest.approx(r2_score(*known), abs=1e-12)
    assert found["mae"] == pytest.approx(mean_absolute_error(*known), abs=1e-12)
    both = score_each(np.column_stack([held, target]), np.column_stack([predicted, predicted]))
    assert both == [found, score_trait(target, predicted)]


def test_undecided_visits_are_left_out_of_every_score() -> None:
    label, logit = draw(11)
    kept = np.arange(len(label)) % 3 != 0
    held = np.where(kept, label, np.nan)
    assert scored(held, logit) == scored(label[kept], logit[kept])
    assert scored(held, logit) != scored(label, logit)


@pytest.mark.parametrize("label", [np.zeros(5), np.ones(5), np.full(5, np.nan)])
def test_one_class_alone_has_no_ranking(label: np.ndarray) -> None:
    found = scored(label, np.arange(5.0))
    assert np.isnan([found[name] for name in ("auc", "average_precision", "calibration_slope")]).all()
    assert np.isnan(found["brier"]) == np.isnan(found["ece"]) == np.isnan(label).all()


def test_a_missing_prediction_is_never_scored_as_a_guess() -> None:
    label, logit = draw(12, 20)
    logit[3] = np.nan
    assert np.isnan(list(scored(label, logit).values())).all()
    one = score_trait(np.array([1.0]), np.array([2.0]))
    assert (one["n"], one["mae"]) == (1, 1.0)
    assert np.isnan([one["r"], one["r2"]]).all()
    assert np.isnan(score_trait(np.ones(4), np.arange(4.0))["r2"])
    nothing = score_trait(np.array([np.nan]), np.array([2.0]))
    assert nothing["n"] == 0
    assert np.isnan(nothing["mae"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_average_precision_is_precision_weighted_by_the_recall_it_adds(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.r_[1.0, 0.0, (rng.random(count) < 0.4)]
    score = rng.integers(0, 6, count + 2).astype(float)
    expected, before = 0.0, 0.0
    for threshold in np.unique(score)[::-1]:
        shown = score >= threshold
        recall = label[shown].sum() / label.sum()
        expected, before = expected + (recall - before) * label[shown].mean(), recall
    assert scored(label, score)["average_precision"] == pytest.approx(expected, abs=1e-12)
