"""Scores of predictions, in float64. A score that cannot be computed is NaN, never an error and never a guess."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def roc_auc(label: NDArray[np.floating], score: NDArray[np.floating]) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic: ties count one half.

    Parameters
    ----------
    label
        (n,) 0, 1 or NaN for undecided, which are left out.
    score
        (n,) higher means more likely.

    Returns
    -------
    float
        NaN where one class is absent, or where a decided visit has a NaN score.
    """
    is_case, score = _decided(label, score)
    cases, controls = int(is_case.sum()), int((~is_case).sum())
    if not cases or not controls or np.isnan(score).any():
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    rank = (last - (count - 1) / 2)[place]  # mean rank of tied scores
    return float((rank[is_case].sum() - cases * (cases + 1) / 2) / (cases * controls))


def pearson_r(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Pearson correlation over the pairs where both are known.

    Returns
    -------
    float
        NaN with fewer than two known pairs, or where one side is constant.
    """
    target, predicted = _known(target, predicted)
    if len(target) < 2 or np.ptp(target) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    target, predicted = target - target.mean(), predicted - predicted.mean()
    return float((target @ predicted) / np.sqrt((target @ target) * (predicted @ predicted)))


def average_precision(label: NDArray[np.floating], score: NDArray[np.floating]) -> float:
    """Average precision: precision at every distinct score, weighted by the recall it adds. By chance it is the prevalence.

    Parameters
    ----------
    label, score
        As for :func:`roc_auc`.

    Returns
    -------
    float
        NaN where one class is absent, or where a decided visit has a NaN score.
    """
    is_case, score = _decided(label, score)
    if not is_case.any() or is_case.all() or np.isnan(score).any():
        return float("nan")
    values, place = np.unique(-score, return_inverse=True)
    cases = np.bincount(place, weights=is_case, minlength=len(values))
    found, shown = np.cumsum(cases), np.cumsum(np.bincount(place, minlength=len(values)))
    return float((cases * found / shown).sum() / found[-1])


def brier_score(label: NDArray[np.floating], probability: NDArray[np.floating]) -> float:
    """Mean squared difference of probability and outcome; NaN without a decided visit."""
    is_case, probability = _decided(label, probability)
    return float(((probability - is_case) ** 2).mean()) if len(is_case) else float("nan")


def expected_calibration_error(label: NDArray[np.floating], probability: NDArray[np.floating], bins: int = 10) -> float:
    """Mean distance of observed share and mean probability over bins of equal width, weighted by their visits.

    Returns
    -------
    float
        0 to 1; NaN without a decided visit, or where one has a NaN probability.
    """
    is_case, probability = _decided(label, probability)
    if not len(is_case) or np.isnan(probability).any():
        return float("nan")
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    excess = np.bincount(place, weights=probability - is_case, minlength=bins)
    return float(np.abs(excess).sum() / len(is_case))


def calibration(label: NDArray[np.floating], logit: NDArray[np.floating]) -> tuple[float, float]:
    """Calibration intercept and slope of a disease's logit.

    Returns
    -------
    tuple of float
        The intercept of a logistic model with the logit as offset (0 is right; below 0, probabilities are too high), and
        the slope of one with a free intercept (1 is right; below 1, probabilities are too extreme). NaN where one class is
        absent, a logit is not finite, or the model has no finite answer.
    """
    is_case, logit = _decided(label, logit)
    if not is_case.any() or is_case.all() or not np.isfinite(logit).all():
        return float("nan"), float("nan")
    ones = np.ones((len(logit), 1))
    intercept = _fit_logistic(ones, is_case, logit)
    spread = float(logit.std())
    if not spread:
        return float(intercept[0]), float("nan")
    scaled = (logit - logit.mean()) / spread  # Newton's steps are well conditioned on this scale
    slope = _fit_logistic(np.column_stack([ones, scaled]), is_case, np.zeros(len(logit)))
    return float(intercept[0]), float(slope[1] / spread)


def r_squared(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Share of the target's variance that is explained, 1 - SS_residual / SS_total; below 0 is worse than the mean.

    Returns
    -------
    float
        Over the pairs where both are known; NaN with fewer than two, or where the target is constant.
    """
    target, predicted = _known(target, predicted)
    if len(target) < 2 or np.ptp(target) == 0:
        return float("nan")
    return float(1 - ((target - predicted) ** 2).sum() / ((target - target.mean()) ** 2).sum())


def mean_absolute_error(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Mean absolute error in the target's unit over the pairs where both are known; NaN where there is none."""
    target, predicted = _known(target, predicted)
    return float(np.abs(target - predicted).mean()) if len(target) else float("nan")


def pearson_per_trait(target: Float, predicted: Float) -> Float:
    """Pearson correlation of every trait: (n, traits) twice -> (traits,), NaN where undefined."""
    return np.array([pearson_r(target[:, i], predicted[:, i]) for i in range(target.shape[1])])


def mean_defined(values: Float) -> float:
    """Mean of the defined values; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _decided(label: NDArray[np.floating], score: NDArray[np.floating]) -> tuple[NDArray[np.bool_], Float]:
    """Whether decided visits are cases, and their scores."""
    label = np.asarray(label, dtype=np.float64)
    is_decided = ~np.isnan(label)
    return label[is_decided] > 0.5, np.asarray(score, dtype=np.float64)[is_decided]


def _known(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> tuple[Float, Float]:
    """The pairs where both sides are known."""
    target, predicted = np.asarray(target, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    is_known = ~(np.isnan(target) | np.isnan(predicted))
    return target[is_known], predicted[is_known]


def _fit_logistic(design: Float, is_case: NDArray[np.bool_], offset: Float) -> Float:
    """Maximum-likelihood coefficients of a logistic model by Newton's method.

    Returns
    -------
    ndarray
        (columns,); NaN where the likelihood has no maximum (one value of the score tells all cases from all controls).
    """
    beta: Float = np.zeros(design.shape[1])
    for _ in range(100):
        mean = 0.5 * (1 + np.tanh((offset + design @ beta) / 2))  # never overflows
        weight = mean * (1 - mean)
        information = (design * weight[:, None]).T @ design
        # On the way to infinity all weights vanish; at a maximum they do not.
        if weight.sum() < 1e-6 or np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design.T @ (is_case - mean))
        beta = np.asarray(beta + np.clip(step, -5, 5), dtype=np.float64)
        if np.abs(step).max() < 1e-10:
            return beta
    return np.full(design.shape[1], np.nan)
