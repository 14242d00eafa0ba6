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
    label = np.asarray(label, dtype=np.float64)
    score = np.asarray(score, dtype=np.float64)[~np.isnan(label)]
    is_case = label[~np.isnan(label)] > 0.5
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
    target = np.asarray(target, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    is_known = ~(np.isnan(target) | np.isnan(predicted))
    target, predicted = target[is_known], predicted[is_known]
    if len(target) < 2 or np.ptp(target) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    target, predicted = target - target.mean(), predicted - predicted.mean()
    return float((target @ predicted) / np.sqrt((target @ target) * (predicted @ predicted)))


def pearson_per_trait(target: Float, predicted: Float) -> Float:
    """Pearson correlation of every trait: (n, traits) twice -> (traits,), NaN where undefined."""
    return np.array([pearson_r(target[:, i], predicted[:, i]) for i in range(target.shape[1])])


def mean_defined(values: Float) -> float:
    """Mean of the defined values; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
