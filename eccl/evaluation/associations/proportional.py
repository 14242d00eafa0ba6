"""Whether a hazard ratio is one number: the test of proportional hazards by scaled Schoenfeld residuals."""

from __future__ import annotations

from typing import Any


def find_proportionality(result: Any) -> float | None:
    """p of a Cox model's first coefficient being the same over all of follow-up.

    A Schoenfeld residual is the predictor of the participant with the event less its mean among those at risk. Multiplied by
    the coefficients' covariance it is, up to constants, how far the coefficient at that time lies from the one of the model.
    Tested is the slope over the ranks of the event times, which a few late events do not move as they move one over days:
    Grambsch and Therneau, Biometrika 1994; https://doi.org/10.1093/biomet/81.3.515.

    Parameters
    ----------
    result
        Of statsmodels' PHReg, one stratum.

    Returns
    -------
    float or None
        Two-sided p, chi-squared with one degree of freedom; small where the hazard ratio changes. None where all events
        happened at one time.
    """
    from scipy.stats import chi2, rankdata

    is_event = result.model.status == 1
    ranks = rankdata(result.model.endog[is_event])
    centred = ranks - ranks.mean()
    covariance = result.cov_params()
    scaled = result.schoenfeld_residuals[is_event] @ covariance[:, 0]  # (events,)
    spread = float(covariance[0, 0] * (centred @ centred))
    if spread == 0:
        return None
    return float(chi2.sf(is_event.sum() * float(centred @ scaled) ** 2 / spread, 1))
