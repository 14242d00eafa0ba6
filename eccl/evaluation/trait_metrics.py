"""Scores of predicted traits, trait by trait. One that cannot be computed is NaN, never an error and never a guess."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eccl.models.scores import pearson_r

Float = NDArray[np.float64]


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
