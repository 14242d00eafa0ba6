"""Intervals around predicted traits and calibrated probabilities, from residuals and labels of the validation split.

Functions of arrays only. Validation also selected the model (the epoch of a network, the penalty of a probe), so both are a
little too optimistic; the test split is never read here.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Float = NDArray[np.float64]

COVERAGE = 0.9
"""Share of new visits whose measured trait is in the interval, at least, if they are exchangeable with those of validation."""
FEWEST_RESIDUALS = math.ceil(COVERAGE / (1 - COVERAGE) - 1e-9)
"""Fewest visits for which :func:`conformal_margin` is defined."""
CONFIDENCE_Z = 1.959963984540054
"""Standard errors on either side of a 95 % interval."""
FEWEST_OF_A_CLASS = 10
"""Validation visits with, and without, the disease below which no curve is fitted.

Peduzzi et al. 1996 recommend at least ten cases per slope of a logistic regression, and groups of fewer than ten people
are not reported (:data:`eccl.evaluation.suppression.SMALLEST_GROUP`). It is a minimum: Collins et al. 2016 recommend
100 cases to assess a calibration.
"""
STEEP_SLOPE = 5.0
"""Slope above which a curve amplifies small differences: the logits vary little."""


def conformal_margin(residual: NDArray[np.floating]) -> float:
    """Half-width of the split-conformal interval around a prediction.

    Parameters
    ----------
    residual
        (n,) measured minus predicted on visits that the model was not trained on, one per participant.

    Returns
    -------
    float
        The ``ceil((n + 1) * COVERAGE)``-th smallest absolute residual; NaN where there are fewer than that.

    Notes
    -----
    Lei et al. 2018, Distribution-free predictive inference for regression.
    """
    rank = math.ceil((len(residual) + 1) * COVERAGE - 1e-9)
    if rank > len(residual):
        return float("nan")
    return float(np.sort(np.abs(np.asarray(residual, dtype=np.float64)))[rank - 1])


@dataclass(frozen=True, slots=True)
class Platt:
    """A logistic curve from a model's logit to a calibrated probability.

    Parameters
    ----------
    intercept, slope
        Of the log-odds on the logit; 0 and 1 would leave the probability as it is.
    covariance
        (2, 2) of the two.
    """

    intercept: float
    slope: float
    covariance: Float

    @property
    def intervals(self) -> list[tuple[float, float, float]]:
        """Value and ends of the 95 % interval (Wald) of the intercept and of the slope."""
        spread = (CONFIDENCE_Z * np.sqrt(np.diag(self.covariance))).tolist()
        return [(v, v - s, v + s) for v, s in zip((self.intercept, self.slope), spread, strict=True)]

    @property
    def slope_interval(self) -> tuple[float, float]:
        """Ends of the slope's 95 % interval (Wald)."""
        return self.intervals[1][1:]

    @property
    def separates_cases(self) -> bool:
        """Whether higher logits mean more disease, beyond chance: the slope's whole 95 % interval is above 0.

        A probability from any other curve would be the same for every visit, or decrease as the model's own increases.
        """
        return self.slope_interval[0] > 0

    def apply(self, logit: NDArray[np.floating]) -> tuple[Float, Float, Float]:
        """Calibrated probability of each logit, and the ends of its 95 % interval: three arrays (n,).

        The interval is the fit's uncertainty (delta method on the log-odds), not the network's.
        """
        # Element by element: a matrix product may sum in another order for one recording than for many.
        x = np.asarray(logit, dtype=np.float64)
        centre = self.intercept + self.slope * x
        (constant, mixed), (_, square) = self.covariance.tolist()
        spread = CONFIDENCE_Z * np.sqrt(constant + 2 * mixed * x + square * x**2)
        return expit(centre), expit(centre - spread), expit(centre + spread)


def fit_platt(label: NDArray[np.floating], logit: NDArray[np.floating]) -> Platt | None:
    """Fit a logistic curve of the label on the logit.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    logit
        (n,) a model's log-odds on visits it was not trained on, one per participant.

    Returns
    -------
    Platt or None
        None where a class has fewer than ``FEWEST_OF_A_CLASS`` visits, or where all logits are equal.

    Notes
    -----
    Platt 1999: a case counts as ``(cases + 1) / (cases + 2)`` and any other as ``1 / (others + 2)``, so the curve stays
    finite even if the logits separate the classes perfectly.
    """
    logit = np.asarray(logit, dtype=np.float64)
    is_case = np.asarray(label) > 0.5
    cases = int(is_case.sum())
    others = len(is_case) - cases
    spread = float(logit.std()) if len(logit) else 0.0
    if min(cases, others) < FEWEST_OF_A_CLASS or spread < 1e-12:
        return None
    target = np.where(is_case, (cases + 1) / (cases + 2), 1 / (others + 2))
    # Fitted on the standardised logit, where the two parameters hardly depend on each other, and transformed back.
    centre = float(logit.mean())
    found, covariance = _fit(target, np.asarray((logit - centre) / spread, dtype=np.float64))
    back = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    intercept, slope = back @ found
    return Platt(float(intercept), float(slope), back @ covariance @ back.T)


def _fit(target: Float, standard: Float) -> tuple[Float, Float]:
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    design = np.stack([np.ones(len(standard)), standard], axis=1)
    with warnings.catch_warnings():
        # The warning means that every target is fitted. Platt's targets are neither 0 nor 1, so the curve stays finite.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        fitted: Any = sm.GLM(target, design, family=sm.families.Binomial()).fit()
    return np.asarray(fitted.params, dtype=np.float64), np.asarray(fitted.cov_params(), dtype=np.float64)
