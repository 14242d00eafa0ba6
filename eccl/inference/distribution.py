"""How far a recording is from those that a model was trained on. Numbers in, verdicts out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

FEWEST_RECORDINGS = 20
"""Recordings of a split below which nothing is said about what is usual in it."""
INNER_SHARE = (1.0, 99.0)
"""Percentiles of the training recordings between which a measure is `inside`."""
DISTANCE_PERCENTILES = (95.0, 99.0)
"""Percentiles of the validation recordings' distances: up to the first `inside`, up to the second `unusual`."""


class Verdict(StrEnum):
    """Where a recording lies; ``unknown`` where too few recordings are there to compare it with."""

    INSIDE = "inside"
    UNUSUAL = "unusual"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


_ORDER = (Verdict.UNKNOWN, Verdict.INSIDE, Verdict.UNUSUAL, Verdict.OUTSIDE)


def worst(verdicts: NDArray[np.str_]) -> NDArray[np.str_]:
    """The least favourable of some verdicts per recording: (n, measures) -> (n,); what is unknown counts least."""
    rank = np.zeros(len(verdicts), dtype=np.int64)
    for place, verdict in enumerate(_ORDER):
        rank = np.maximum(rank, np.where((verdicts == verdict.value).any(axis=1), place, 0))
    return np.array([verdict.value for verdict in _ORDER])[rank]


@dataclass(frozen=True, slots=True)
class Range:
    """One measure among the training recordings.

    Parameters
    ----------
    measure
        Column of table ``recordings``.
    count
        Training recordings it was taken from.
    least, low, high, most
        Smallest value, 1st and 99th percentile, largest value.
    """

    measure: str
    count: int
    least: float
    low: float
    high: float
    most: float

    @classmethod
    def of(cls, measure: str, values: NDArray[np.floating]) -> Range:
        """Range of (n,) training values, NaN left out."""
        known = np.asarray(values, dtype=np.float64)
        known = known[~np.isnan(known)]
        if not len(known):
            return cls(measure, 0, *[float("nan")] * 4)
        low, high = np.percentile(known, INNER_SHARE)
        return cls(measure, len(known), float(known.min()), float(low), float(high), float(known.max()))

    def judge(self, values: NDArray[np.floating]) -> NDArray[np.str_]:
        """Verdict per value: ``inside`` the 1st to 99th percentile, ``unusual`` up to the extremes, ``outside`` beyond."""
        values = np.asarray(values, dtype=np.float64)
        if self.count < FEWEST_RECORDINGS:
            return np.full(len(values), Verdict.UNKNOWN.value)
        is_inner = (values >= self.low) & (values <= self.high)
        is_seen = (values >= self.least) & (values <= self.most)
        return np.where(is_inner, Verdict.INSIDE.value, np.where(is_seen, Verdict.UNUSUAL.value, Verdict.OUTSIDE.value))


@dataclass(frozen=True, slots=True)
class Cloud:
    """Embeddings of the training recordings as one normal cloud, and how far validation recordings lie from its centre.

    Parameters
    ----------
    centre
        (d,) mean of the training embeddings.
    whitening
        (d, d) brings the cloud to unit covariance.
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
        # A direction without any spread is given the least that float32 embeddings resolve.
        whitening = vectors / np.sqrt(np.maximum(values, max(float(values.max()), 1.0) * 1e-12))
        cloud = cls(fitted.location_, whitening, np.empty(0))
        return cls(cloud.centre, cloud.whitening, np.sort(cloud.measure(val)))

    def measure(self, embeddings: NDArray[np.floating]) -> Float:
        """Mahalanobis distance of embeddings: (n, d) -> (n,)."""
        away = (np.asarray(embeddings, dtype=np.float64) - self.centre) @ self.whitening
        found: Float = np.sqrt((away**2).sum(axis=1))
        return found

    def percentile(self, distance: Float) -> Float:
        """Share of validation recordings that lie nearer, in percent: (n,) -> (n,)."""
        return 100.0 * np.searchsorted(self.distance, distance) / max(len(self.distance), 1)

    def judge(self, distance: Float) -> NDArray[np.str_]:
        """Verdict per distance against the 95th and the 99th percentile of the validation recordings."""
        if len(self.distance) < FEWEST_RECORDINGS:
            return np.full(len(distance), Verdict.UNKNOWN.value)
        usual, rare = np.percentile(self.distance, DISTANCE_PERCENTILES)
        return np.where(
            distance <= usual,
            Verdict.INSIDE.value,
            np.where(distance <= rare, Verdict.UNUSUAL.value, Verdict.OUTSIDE.value),
        )
