"""Distance of a recording from those that a model was trained on, as conformal p-values.

Training recordings define the distance, validation recordings how often it occurs: a conformal p-value is the share of the
validation recordings, the new one included, that are at least as far away. If the new recording is exchangeable with those
of validation, p is at most a with a probability of at most a, whatever the distribution (Vovk et al. 2005; Bates et al.
2023). Over several comparisons p is multiplied by their number (Bonferroni), which holds for any dependence between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

FEWEST_RECORDINGS = 20
"""Recordings of a split below which no comparison is made."""
INNER_SHARE = (1.0, 99.0)
"""Percentiles of the training recordings by which the distance of a measure is scaled."""
UNUSUAL_P, OUTSIDE_P = 0.05, 0.01
"""Shares of false alarms: up to which p a recording is `unusual`, and `outside`."""


class Verdict(StrEnum):
    """Result of a comparison; ``unknown`` if there are too few recordings to compare with."""

    INSIDE = "inside"
    UNUSUAL = "unusual"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


def p_values(known: Float, scores: Float) -> Float:
    """Conformal p-value of each score, (n,) -> (n,): large scores are far; NaN if there is nothing to compare with.

    Parameters
    ----------
    known
        (m,) scores of the validation recordings, ascending; infinite ones count.
    """
    if not len(known):
        return np.full(len(scores), np.nan)
    as_far = len(known) - np.searchsorted(known, scores, side="left")
    return np.asarray((1.0 + as_far) / (1.0 + len(known)), dtype=np.float64)


def fewest_for(p: float, comparisons: int = 1) -> int:
    """Validation recordings below which the most extreme one of all does not reach `p` over some comparisons."""
    return int(np.ceil(comparisons / p - 1e-9)) - 1


def judge(p: Float, count: int, comparisons: int = 1) -> NDArray[np.str_]:
    """Verdict per p-value, (n,) -> (n,).

    Parameters
    ----------
    p
        Corrected for the number of comparisons.
    count
        Validation recordings behind it, the fewest of any comparison. If they are so few that not even the farthest recording
        could reach ``UNUSUAL_P``, the verdict is ``unknown``.
    """
    if count < max(FEWEST_RECORDINGS, fewest_for(UNUSUAL_P, comparisons)):
        return np.full(len(p), Verdict.UNKNOWN.value)
    alarm = np.where(p <= OUTSIDE_P, Verdict.OUTSIDE.value, Verdict.UNUSUAL.value)
    return np.where(p <= UNUSUAL_P, alarm, Verdict.INSIDE.value)


@dataclass(frozen=True, slots=True)
class Power:
    """Number of usable comparisons, and of the validation recordings behind them.

    Parameters
    ----------
    comparisons
        Those with at least ``FEWEST_RECORDINGS`` validation recordings.
    recordings
        Fewest validation recordings behind any of them; 0 without comparisons.
    """

    comparisons: int
    recordings: int

    @classmethod
    def of(cls, recordings: Iterable[int]) -> Power:
        """From the validation recordings behind each comparison."""
        counted = [count for count in recordings if count >= FEWEST_RECORDINGS]
        return cls(len(counted), min(counted, default=0))

    @property
    def needed(self) -> int:
        """Validation recordings below which the comparisons together have the verdict ``unknown`` for every recording."""
        return max(FEWEST_RECORDINGS, fewest_for(UNUSUAL_P, self.comparisons))


def combine(p: Float) -> Float:
    """One p-value per recording from several comparisons, (n, comparisons) -> (n,): the smallest times their number."""
    found: Float = np.minimum(1.0, p.shape[1] * p.min(axis=1))
    return found


@dataclass(frozen=True, slots=True)
class Range:
    """One measure among the training recordings, and the distances of the validation recordings from their median.

    Parameters
    ----------
    measure
        Column of table ``recordings``.
    count
        Training recordings it was taken from.
    least, percentile_1, median, percentile_99, most
        Smallest value, 1st percentile, median, 99th percentile, largest value.
    distance
        (n,) distances of the validation recordings, ascending; none where the training recordings are too few.
    """

    measure: str
    count: int
    least: float
    percentile_1: float
    median: float
    percentile_99: float
    most: float
    distance: Float

    @classmethod
    def of(cls, measure: str, train: NDArray[np.floating], val: NDArray[np.floating]) -> Range:
        """Range of (n,) training values, without NaN, and distances of (m,) validation values."""
        known = np.asarray(train, dtype=np.float64)
        known = known[~np.isnan(known)]
        ranks = [0.0, INNER_SHARE[0], 50.0, INNER_SHARE[1], 100.0]
        least, first, median, last, most = np.percentile(known if len(known) else [np.nan], ranks).tolist()
        found = cls(measure, len(known), least, first, median, last, most, np.empty(0))
        return found if len(known) < FEWEST_RECORDINGS else replace(found, distance=np.sort(found.measure_from(val)))

    def measure_from(self, values: NDArray[np.floating]) -> Float:
        """Distance from the median, (n,) -> (n,), in units of that from the median to the percentile on the same side.

        If the training recordings do not differ up to that percentile, any other value is infinitely far, as is a missing
        value.
        """
        away = np.asarray(values, dtype=np.float64) - self.median
        unit = np.where(away > 0, self.percentile_99 - self.median, self.median - self.percentile_1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Float = np.where(away == 0, 0.0, np.abs(away) / unit)
        return np.where(np.isnan(found), np.inf, found)

    def p(self, values: NDArray[np.floating]) -> Float:
        """Conformal p-value of each value; NaN if there is nothing to compare with."""
        return p_values(self.distance, self.measure_from(values))


@dataclass(frozen=True, slots=True)
class Cloud:
    """Embeddings of the training recordings as one normal distribution, and the distances of the validation recordings from its centre.

    Parameters
    ----------
    centre
        (d,) mean of the training embeddings.
    whitening
        (d, d) transforms the distribution to unit covariance.
    distance
        (n,) Mahalanobis distances of the validation recordings, ascending.
    """

    centre: Float
    whitening: Float
    distance: Float

    @classmethod
    def of(cls, train: NDArray[np.floating], val: NDArray[np.floating]) -> Cloud:
        """Fit on training embeddings (n, d) and measure validation embeddings (m, d).

        The covariance is shrunk after Ledoit and Wolf: there may be fewer recordings than dimensions.
        """
        from sklearn.covariance import LedoitWolf

        fitted = LedoitWolf().fit(np.asarray(train, dtype=np.float64))
        values, vectors = np.linalg.eigh(fitted.covariance_)
        # A direction without variance gets the smallest one that float32 embeddings resolve.
        whitening = vectors / np.sqrt(np.maximum(values, max(float(values.max()), 1.0) * 1e-12))
        cloud = cls(fitted.location_, whitening, np.empty(0))
        return replace(cloud, distance=np.sort(cloud.measure(val)))

    def measure(self, embeddings: NDArray[np.floating]) -> Float:
        """Mahalanobis distance of embeddings: (n, d) -> (n,)."""
        centred = np.asarray(embeddings, dtype=np.float64) - self.centre
        # One by one: a matrix product may sum in another order for one recording than for many.
        away = np.stack([one @ self.whitening for one in centred]) if len(centred) else centred
        found: Float = np.sqrt((away**2).sum(axis=1))
        return found

    def percentile(self, distance: Float) -> Float:
        """Share of validation recordings that are nearer, in percent: (n,) -> (n,)."""
        return 100.0 * np.searchsorted(self.distance, distance) / max(len(self.distance), 1)

    def p(self, distance: Float) -> Float:
        """Conformal p-value of each distance; NaN if there is nothing to compare with."""
        return p_values(self.distance, distance)
