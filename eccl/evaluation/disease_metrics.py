"""The scores that every disease gets, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eccl.models.scores import average_precision, brier_score, calibration, expected_calibration_error, roc_auc

Float = NDArray[np.float64]


def score_logits(label: Float, logit: Float, probability: Float) -> dict[str, float]:
    """Score one disease's predictions: (visits,) each; an undecided label is NaN and left out.

    Returns
    -------
    dict
        ``auc``, ``average_precision``, ``brier``, ``calibration_intercept``, ``calibration_slope`` and ``ece``; NaN where a
        score is not defined.
    """
    intercept, slope = calibration(label, logit)
    return {
        "auc": roc_auc(label, logit),
        "average_precision": average_precision(label, logit),
        "brier": brier_score(label, probability),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "ece": expected_calibration_error(label, probability),
    }
