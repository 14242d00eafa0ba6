"""Paired bootstrap over participants: the same resamples for every arm, task and seed.

A participant brings all of their visits into a resample, or none: visits of one person are not independent. What is
resampled is the set of scored participants. The difference between two trainings of the same arm is measured by the seeds;
:func:`difference_p` includes both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 2000
SEED = 2024
CHUNK = 250
"""Resamples worked on at a time: what bounds the memory."""


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often every visit is in every resample.

    Parameters
    ----------
    counts
        (resamples, participants) how often each participant was drawn.
    person
        (visits,) position of each visit's participant in `counts`.
    """

    counts: NDArray[np.uint16]
    person: Ints

    def __len__(self) -> int:
        return len(self.counts)

    def weights(self, visits: Ints) -> Iterator[Float]:
        """(chunk, len(visits)) how often visits are in each of the next resamples."""
        person = self.person[visits]
        for start in range(0, len(self), CHUNK):
            yield self.counts[start : start + CHUNK, person].astype(np.float64)


@dataclass(frozen=True, slots=True)
class Interval:
    """Percentile interval of a statistic over resamples.

    Parameters
    ----------
    lower, upper
        Bounds; NaN where no resample has the statistic.
    resamples
        Resamples in which it is defined: a resample without a case has no AUC.
    """

    lower: float
    upper: float
    resamples: int


def draw_resamples(eid: Ints, count: int = RESAMPLES, seed: int = SEED) -> Resamples:
    """Draw participants with replacement.

    Parameters
    ----------
    eid
        (visits,) participant of each visit.
    count, seed
        Number of resamples, and seed of the draws.
    """
    people, person = np.unique(eid, return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = np.zeros((count, len(people)), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, max(len(people), 1), len(people)), minlength=len(people))
    return Resamples(counts, person.astype(np.int64).reshape(-1))


def resampled_auc(resamples: Resamples, label: Float, score: Float) -> Float:
    """ROC AUC in every resample.

    Parameters
    ----------
    label
        (visits,) 0, 1 or NaN for undecided, which are left out.
    score
        (visits,) higher means more likely.

    Returns
    -------
    ndarray
        (resamples,); NaN where a resample has one class only, or where a decided visit has a NaN score.
    """
    decided = np.flatnonzero(~np.isnan(label))
    if not len(decided) or np.isnan(score[decided]).any():
        return np.full(len(resamples), np.nan)
    order = decided[np.argsort(score[decided], kind="stable")]
    is_case = label[order] > 0.5
    # For every case: how many visits have a lower score, and how many none higher.
    ends = [np.searchsorted(score[order], score[order][is_case], side) for side in ("left", "right")]
    return _each(resamples, order, lambda weight: _weighted_auc(weight, is_case, ends))


def resampled_mean_r(resamples: Resamples, target: Float, predicted: Float) -> Float:
    """Mean over traits of Pearson's R, in every resample.

    Parameters
    ----------
    target, predicted
        (visits, traits); NaN is unknown.

    Returns
    -------
    ndarray
        (resamples,) mean over the traits whose R is defined; NaN where there is none.
    """
    is_known = ~(np.isnan(target) | np.isnan(predicted))
    # On a common scale, sums of squares lose no digits and "constant" has one meaning for all traits.
    y, x = _standardised(target, is_known), _standardised(predicted, is_known)
    columns = np.concatenate([is_known.astype(np.float64), x, y, x * x, y * y, x * y], axis=1)
    return _each(resamples, np.arange(len(target)), lambda weight: _weighted_mean_r(weight, columns))


def mean_over_seeds(values: Sequence[Float]) -> Float:
    """Mean over seeds within every resample: (resamples,) per seed -> (resamples,)."""
    return np.asarray(np.mean(np.stack(values), axis=0))


def interval(values: Float, level: float = 0.95) -> Interval:
    """Percentile interval of the resamples in which the statistic is defined."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Interval(float("nan"), float("nan"), 0)
    lower, upper = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(lower), float(upper), len(defined))


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """Variance of the scores of one arm between seeds of its training.

    Parameters
    ----------
    variance
        Of a single training; NaN where no arm has two.
    freedom
        Degrees of freedom behind it.
    """

    variance: float
    freedom: int


def pool_seeds(by_arm: Iterable[Sequence[float]]) -> SeedSpread:
    """Variance between seeds, pooled over arms: each arm's scores, one per seed.

    Two or three seeds hardly estimate the variance of one arm; the pooled estimate has as many degrees of freedom as there are
    seeds beyond each arm's first.
    """
    scores = [np.asarray(one, dtype=np.float64) for one in by_arm if len(one) > 1]
    freedom = sum(len(one) - 1 for one in scores)
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in scores)
    return SeedSpread(squares / freedom if freedom else float("nan"), freedom)


def difference_p(resampled: Float, difference: float, participants: int, seeds: int, spread: SeedSpread) -> float:
    """P-value of "two arms, trained with other seeds and scored on other people, do not differ".

    Parameters
    ----------
    resampled
        (resamples,) the difference, averaged over seeds, in every resample of the participants.
    difference
        The same over all participants.
    participants, seeds
        How many were resampled (of an AUC: of the rarer class), and how many trainings of each arm the difference is averaged
        over.
    spread
        Of single trainings.

    Returns
    -------
    float
        Two-sided, of Student's t with the degrees of freedom after Satterthwaite; NaN where no arm has two seeds, or where
        nothing varies.

    Notes
    -----
    The variance of the difference has two parts, estimated apart and added: that of the participants, by the bootstrap, and
    that of the trainings, ``2 * variance / seeds``. The first holds some of what seeds and participants have in common, and
    arms of one seed share a start, so the sum is rather too large. A p of the participants alone describes these networks, and
    calls two equal arms different far more often than its level.
    """
    defined = resampled[~np.isnan(resampled)]
    if not spread.freedom or len(defined) < 2 or participants < 2:
        return float("nan")
    parts = np.array([defined.var(ddof=1), 2 * spread.variance / seeds])
    total = float(parts.sum())
    if not total > 0:
        return float("nan")
    freedom = total**2 / (parts**2 / [participants - 1, spread.freedom]).sum()
    return float(2 * student_t.sf(abs(difference) / np.sqrt(total), freedom))


def _each(resamples: Resamples, visits: Ints, statistic: Callable[[Float], Float]) -> Float:
    chunks = [statistic(weight) for weight in resamples.weights(visits)]
    return np.concatenate(chunks) if chunks else np.empty(0)


def _weighted_auc(weight: Float, is_case: NDArray[np.bool_], ends: Sequence[NDArray[np.intp]]) -> Float:
    """Mann-Whitney statistic of (chunk, visits) weights, visits sorted by score: ties count one half."""
    cases = weight[:, is_case]
    controls = np.zeros((len(weight), weight.shape[1] + 1))
    np.cumsum(np.where(is_case, 0, weight), axis=1, out=controls[:, 1:])
    won = (cases * (controls[:, ends[0]] + controls[:, ends[1]])).sum(axis=1) / 2
    pairs = cases.sum(axis=1) * controls[:, -1]
    return np.asarray(np.divide(won, pairs, out=np.full(len(weight), np.nan), where=pairs > 0))


def _weighted_mean_r(weight: Float, columns: Float) -> Float:
    n, x, y, xx, yy, xy = np.split(weight @ columns, 6, axis=1)
    safe = np.maximum(n, 1)
    covariance, var_x, var_y = xy - x * y / safe, xx - x * x / safe, yy - y * y / safe
    # Sums of n standardised squares: what rounding leaves of a constant is far below this.
    is_defined = (var_x > 1e-9 * safe) & (var_y > 1e-9 * safe)
    scale = np.sqrt(np.where(is_defined, var_x * var_y, 1))
    r = np.where(is_defined, covariance / scale, 0)
    count = is_defined.sum(axis=1)
    return np.asarray(np.divide(r.sum(axis=1), count, out=np.full(len(weight), np.nan), where=count > 0))


def _standardised(values: Float, is_known: NDArray[np.bool_]) -> Float:
    """Columns with mean 0 and standard deviation 1 over what is known, 0 elsewhere; a constant column is 0."""
    count = np.maximum(is_known.sum(axis=0), 1)
    mean = np.where(is_known, values, 0).sum(axis=0) / count
    centred = np.where(is_known, values - mean, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    is_constant = np.where(is_known, values, -np.inf).max(axis=0) <= np.where(is_known, values, np.inf).min(axis=0)
    return np.asarray(np.where(is_constant, 0, centred) / np.where(is_constant | (spread == 0), 1, spread))
