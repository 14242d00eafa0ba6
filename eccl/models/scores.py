"""Scores that choose an epoch, in float64. A score that cannot be computed is NaN, never an error and never a guess."""

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
    from scipy.stats import rankdata

    is_decided = ~np.isnan(np.asarray(label, dtype=np.float64))
    is_case, score = label[is_decided] > 0.5, np.asarray(score, dtype=np.float64)[is_decided]
    cases, others = int(is_case.sum()), int((~is_case).sum())
    if not cases or not others or np.isnan(score).any():
        return float("nan")
    # Ranks are halves: equal orders give equal numbers to the last bit, so that chance does not choose between two epochs.
    return float((rankdata(score)[is_case].sum() - cases * (cases + 1) / 2) / (cases * others))


def pearson_r(target: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Pearson correlation over the pairs where both are known.

    Returns
    -------
    float
        NaN with fewer than two known pairs, or where one side is constant.
    """
    is_known = ~(np.isnan(target) | np.isnan(predicted))
    target, predicted = np.asarray(target[is_known], np.float64), np.asarray(predicted[is_known], np.float64)
    if len(target) < 2 or np.ptp(target) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    return float(np.corrcoef(target, predicted)[0, 1])


def pearson_per_trait(target: Float, predicted: Float) -> Float:
    """Pearson correlation of every trait: (n, traits) twice -> (traits,), NaN where undefined."""
    return np.array([pearson_r(target[:, i], predicted[:, i]) for i in range(target.shape[1])])


def mean_defined(values: Float) -> float:
    """Mean of the defined values; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
