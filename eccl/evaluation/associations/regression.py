"""One adjusted regression: linear, logistic or Cox. Where there is no estimate, a note states the reason."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.evaluation.suppression import SMALLEST_GROUP, is_small

Float = NDArray[np.float64]

FEWEST_EVENTS = 10
"""Cases (and non-cases) below which no logistic or Cox model is fitted."""
FEWEST_EVENTS_PER_TERM = 5
"""The same per coefficient: Vittinghoff and McCulloch, Am J Epidemiol 2007."""
FEWEST_PER_TERM = 5
"""Participants per coefficient below which no linear model is fitted."""
LARGEST = 10.0
"""Coefficients per SD, and standard errors, beyond this mean that an outcome is separated, not that it is associated."""
PROPORTIONAL = 0.05
"""p of the test of proportional hazards below which the row's note states that they are not."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The coefficient of one standardised predictor.

    Parameters
    ----------
    n, events
        Participants, and cases among them (None for a linear model).
    coefficient, standard_error, ci_lower, ci_upper, statistic, p
        Estimate, its 95 % interval and its test; None where there is no estimate.
    ph_p
        p of the test of proportional hazards; None where it is no Cox model or there is no estimate.
    note
        Why there is none, which covariates were left out, or that hazards are not proportional.
    adjusted_for
        Covariates that stayed.
    """

    n: int
    events: int | None
    adjusted_for: tuple[str, ...]
    note: str = ""
    coefficient: float | None = None
    standard_error: float | None = None
    ci_lower: float | None = None
    ci_upper: float | None = None
    statistic: float | None = None
    p: float | None = None
    ph_p: float | None = None


class _NotEstimableError(Exception):
    """A model without an answer; the text becomes the note."""


def fit_linear(outcome: Float, predictor: Float, covariates: dict[str, Float]) -> Fit:
    """Least squares of a standardised outcome on a standardised predictor.

    Parameters
    ----------
    outcome, predictor
        (n,); NaN leaves a participant out.
    covariates
        Name -> (n,).
    """
    from statsmodels.api import OLS

    def count(y: Float, terms: int) -> None:
        if len(y) < FEWEST_PER_TERM * terms:
            raise _NotEstimableError(
                f"{_many(len(y), 'participant')}, expected at least {FEWEST_PER_TERM * terms} for {terms} coefficients"
            )

    def fit(y: Float, design: Float) -> Any:
        return OLS(_standardise(y, "the outcome"), _with_intercept(design)).fit()

    return _fit(outcome, predictor, covariates, None, count, fit)[0]


def fit_logistic(is_case: Float, predictor: Float, covariates: dict[str, Float]) -> Fit:
    """Logistic regression of a 0/1 outcome; the coefficient is the logarithm of an odds ratio per SD."""
    from statsmodels.api import Logit

    def count(y: Float, terms: int) -> None:
        is_case_rarer = y.sum() <= len(y) / 2
        rarer = int(y.sum() if is_case_rarer else len(y) - y.sum())
        _require_events(rarer, "cases" if is_case_rarer else "participants without the disease", terms - 1)

    def fit(y: Float, design: Float) -> Any:
        return Logit(y, _with_intercept(design)).fit(disp=0, maxiter=100)

    return _fit(is_case, predictor, covariates, is_case, count, fit)[0]


def fit_hazard(days: Float, is_event: Float, predictor: Float, covariates: dict[str, Float]) -> Fit:
    """Cox regression with Efron's ties; the coefficient is the logarithm of a hazard ratio per SD.

    The ratio is cause-specific: a participant who died before the event left the risk set like one whose follow-up ended. It
    compares rates among those alive without the event, not the share of participants who will ever have it.

    Parameters
    ----------
    days
        (n,) time from the visit to the event, the death or the end of follow-up; NaN leaves a participant out.
    is_event
        (n,) 1 where that time ends with the event.
    """
    from statsmodels.duration.hazard_regression import PHReg

    known = ~np.isnan(days)

    def count(y: Float, terms: int) -> None:
        _require_events(int(np.signbit(y).sum()), "events", terms - 1)

    def fit(y: Float, design: Float) -> Any:
        status, time = np.signbit(y).astype(float), np.abs(y)
        return PHReg(time, design, status=status, ties="efron").fit(disp=0)

    # The sign carries the event, so that both travel through the same selection of complete participants.
    signed = np.where(known, np.where(is_event == 1, -days, days), np.nan)
    found, result = _fit(signed, predictor, covariates, is_event, count, fit)
    return found if result is None else _add_proportionality(found, result)


def _add_proportionality(found: Fit, result: Any) -> Fit:
    p = find_proportionality(result)
    if p is None or p >= PROPORTIONAL:
        return replace(found, ph_p=p)
    remark = f"hazards not proportional (p={p:.2g}); the ratio is an average over follow-up"
    return replace(found, ph_p=p, note="; ".join(filter(None, [found.note, remark])))


def find_proportionality(result: Any) -> float | None:
    """p of a Cox model's first coefficient being the same over all of follow-up.

    A Schoenfeld residual is the predictor of the participant with the event less its mean among those at risk. Multiplied by
    the coefficients' covariance it is, up to constants, the difference between the coefficient at that time and the one of the model.
    The slope over the ranks of the event times is tested; a few late events influence it less than a slope over days:
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


def adjust(p: list[float | None]) -> list[float | None]:
    """q by Benjamini and Hochberg among the values that are there."""
    from scipy.stats import false_discovery_control

    known = [value for value in p if value is not None]
    if not known:
        return p
    adjusted = iter(false_discovery_control(known).tolist())
    return [None if value is None else next(adjusted) for value in p]


def _fit(
    outcome: Float,
    predictor: Float,
    covariates: dict[str, Float],
    event: Float | None,
    count: Callable[[Float, int], None],
    fit: Callable[[Float, Float], Any],
) -> tuple[Fit, Any]:
    """The fit, and the result of statsmodels: None where there is no estimate."""
    complete = ~np.isnan(outcome) & ~np.isnan(predictor)
    for values in covariates.values():
        complete &= ~np.isnan(values)
    kept = {name: values[complete] for name, values in covariates.items() if _varies(values[complete])}
    gone = [name for name in covariates if name not in kept]
    counts = (int(complete.sum()), None if event is None else int(np.nansum(event[complete])), tuple(kept))
    note = f"{', '.join(gone)} left out: the same for everybody" if gone and complete.any() else ""
    try:
        # First: of three participants everything is a linear combination of everything.
        count(outcome[complete], len(kept) + 2)
        columns = [_standardise(predictor[complete], "the prediction"), *(_standardise(v, n) for n, v in kept.items())]
        design = np.column_stack(columns)
        if np.linalg.matrix_rank(np.column_stack([np.ones(len(design)), design])) < design.shape[1] + 1:
            raise _NotEstimableError("the prediction is a linear combination of the covariates")
        with _strict():
            result = fit(outcome[complete], design)
        return Fit(*counts, note, *_first_coefficient(result)), result
    except _NotEstimableError as error:
        return Fit(*counts, "; ".join(filter(None, [str(error), note]))), None


def _first_coefficient(result: Any) -> tuple[float, ...]:
    place = 1 if "const" in result.model.exog_names else 0  # Cox models have no intercept
    coefficient, error = float(result.params[place]), float(result.bse[place])
    if not np.isfinite([coefficient, error]).all() or max(abs(coefficient), error) > LARGEST:
        raise _NotEstimableError("the model has no finite answer (separation); more events are needed")
    lower, upper = np.asarray(result.conf_int())[place].tolist()
    return coefficient, error, lower, upper, float(result.tvalues[place]), float(result.pvalues[place])


@contextmanager
def _strict() -> Iterator[None]:
    """Turn warnings and errors of statsmodels about a model that does not converge into a reason."""
    from statsmodels.tools.sm_exceptions import ModelWarning, PerfectSeparationError

    try:
        with warnings.catch_warnings():
            for kind in (ModelWarning, RuntimeWarning):
                warnings.simplefilter("error", kind)
            yield
    except (ModelWarning, RuntimeWarning, PerfectSeparationError, np.linalg.LinAlgError):
        raise _NotEstimableError("the model has no finite answer (separation); more events are needed") from None


def _standardise(values: Float, what: str) -> Float:
    if not _varies(values):
        raise _NotEstimableError(f"{what} is the same for everybody, or known for too few")
    standard: Float = (values - values.mean()) / values.std(ddof=1)
    return standard


def _require_events(found: int, what: str, terms: int) -> None:
    """`terms` coefficients, the intercept not among them; small counts are not printed."""
    fewest = max(FEWEST_EVENTS, FEWEST_EVENTS_PER_TERM * terms)
    if found < fewest:
        count = f"fewer than {SMALLEST_GROUP}" if is_small(found) else str(found)
        raise _NotEstimableError(f"{count} {what}, expected at least {fewest} for {_many(terms, 'coefficient')}")


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _varies(values: Float) -> bool:
    return len(values) > 1 and float(values.std()) > 1e-9 * max(1.0, float(np.abs(values).mean()))


def _with_intercept(design: Float) -> Float:
    return np.column_stack([np.ones(len(design)), design])
