"""Scores of predicted diseases and traits. A score that cannot be computed is NaN, not an error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eccl.models.scores import pearson_r, roc_auc

Float = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 10
"""Bins of equal width of the expected calibration error."""


def score_logits(label: Float, logit: Float, probability: Float) -> dict[str, float]:
    """Score one disease's predictions.

    Parameters
    ----------
    label
        (visits,) 0, 1 or NaN for undecided, which are left out.
    logit, probability
        (visits,) predictions.

    Returns
    -------
    dict
        ``auc``; ``average_precision``, by chance the prevalence; ``brier``, the mean squared difference of probability and
        outcome; ``calibration_intercept`` and ``calibration_slope``, see :func:`calibration`; ``ece``, the mean distance of
        observed share and mean probability over bins, weighted by their visits. NaN where a score is not defined: of one
        class alone, without a decided visit, or where one of these has no prediction.
    """
    is_decided = ~np.isnan(label)
    is_case, logit, probability = label[is_decided] > 0.5, logit[is_decided], probability[is_decided]
    intercept, slope = calibration(is_case, logit)
    return {
        "auc": roc_auc(is_case.astype(np.float64), logit),
        "average_precision": _average_precision(is_case, logit),
        "brier": _brier(is_case, probability),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "ece": _expected_calibration_error(is_case, probability),
    }


def calibration(is_case: Flags, logit: Float) -> tuple[float, float]:
    """Calibration intercept and slope of a disease's logit.

    Returns
    -------
    tuple of float
        The intercept of a logistic model with the logit as offset (ideal: 0; below 0, probabilities are too high), and
        the slope of one with a free intercept (ideal: 1; below 1, probabilities are too extreme). NaN where one class is
        absent or a logit is not finite; the slope also where all logits are equal, or where one value of the logit separates all
        cases from all others: it would be infinite.
    """
    if not is_case.any() or is_case.all() or not np.isfinite(logit).all():
        return float("nan"), float("nan")
    intercept = _shift(logit, float(is_case.mean()))
    cases, others = logit[is_case], logit[~is_case]
    spread = float(logit.std())
    if not spread or cases.min() >= others.max() or cases.max() <= others.min():
        return intercept, float("nan")
    scaled = (logit - logit.mean()) / spread  # well conditioned, whatever the unit
    return intercept, _slope(is_case, scaled) / spread


def score_trait(target: Float, predicted: Float) -> dict[str, float]:
    """Score one trait over the visits where both sides are known.

    Parameters
    ----------
    target, predicted
        (visits,) in the trait's unit; NaN is unknown.

    Returns
    -------
    dict
        ``n`` visits; ``r``, Pearson's; ``r2``, the share of the target's variance that is explained (below 0 is worse than
        the mean); ``mae``, the mean absolute error in the trait's unit. NaN without a known pair, and r and r2 with fewer
        than two or where the target is constant.
    """
    from sklearn.metrics import mean_absolute_error, r2_score

    is_known = ~(np.isnan(target) | np.isnan(predicted))
    target, predicted = target[is_known], predicted[is_known]
    has_spread = len(target) > 1 and np.ptp(target) > 0
    return {
        "n": int(is_known.sum()),
        "r": pearson_r(target, predicted),
        "r2": float(r2_score(target, predicted)) if has_spread else float("nan"),
        "mae": float(mean_absolute_error(target, predicted)) if len(target) else float("nan"),
    }


def score_each(target: Float, predicted: Float) -> list[dict[str, float]]:
    """:func:`score_trait` of every column: (visits, traits) twice, in one order."""
    return [score_trait(*columns) for columns in zip(target.T, predicted.T, strict=True)]


def _average_precision(is_case: Flags, logit: Float) -> float:
    from sklearn.metrics import average_precision_score

    if not is_case.any() or is_case.all() or np.isnan(logit).any():
        return float("nan")
    return float(average_precision_score(is_case, logit))


def _brier(is_case: Flags, probability: Float) -> float:
    return float(((probability - is_case) ** 2).mean()) if len(is_case) else float("nan")


def _expected_calibration_error(is_case: Flags, probability: Float) -> float:
    if not len(is_case) or np.isnan(probability).any():
        return float("nan")
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    excess = np.bincount(place, weights=probability - is_case, minlength=BINS)
    return float(np.abs(excess).sum() / len(is_case))


def _shift(logit: Float, prevalence: float) -> float:
    """Number that, added to every logit, makes the mean probability the prevalence: the maximum of the likelihood."""
    from scipy.optimize import brentq
    from scipy.special import expit

    aim = float(np.log(prevalence / (1 - prevalence)))
    bounds = aim - float(logit.max()) - 1, aim - float(logit.min()) + 1
    return float(brentq(lambda shift: expit(logit + shift).mean() - prevalence, *bounds))


def _slope(is_case: Flags, score: Float) -> float:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200)
    return float(model.fit(score[:, None], is_case).coef_[0, 0])
