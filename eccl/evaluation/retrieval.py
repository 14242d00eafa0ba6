"""Retrieval: does an ECG find the cine of its own visit among all of a split, and a cine its ECG?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

CUTOFFS = (1, 5, 10)
DIRECTIONS = ("ecg_to_cmr", "cmr_to_ecg")
CHUNK = 1024
TIED = np.float32(2e-6)
"""Products of unit vectors in float32 are equal within this: a network that sends all visits to one place ranks by chance."""


def ranks_of_own(ecg: NDArray[np.float32], cmr: NDArray[np.float32]) -> tuple[Float, Float]:
    """Rank of the own partner by inner product, from 1; equally near ones share the mean of their ranks.

    Parameters
    ----------
    ecg, cmr
        (n, d) vectors; row i of both is of one visit. Another visit of the same participant is not a partner.

    Returns
    -------
    tuple of ndarray
        (n,) rank of its cine for every ECG, and of its ECG for every cine. A vector that is not finite finds nothing: n.
    """
    count = len(ecg)
    own = np.einsum("nd,nd->n", ecg, cmr)
    is_sound = np.isfinite(own)
    ecg, cmr = (np.where(np.isfinite(some), some, 0) for some in (ecg, cmr))
    forward, backward = np.full(count, 0.5), np.full(count, 0.5)
    for start in range(0, count, CHUNK):
        rows = slice(start, min(start + CHUNK, count))
        near = ecg[rows] @ cmr.T
        near[np.arange(len(near)), np.arange(rows.start, rows.stop)] = own[rows]
        forward[rows] += _places(near, own[rows, None], 1)
        backward += _places(near, own, 0)
    return np.where(is_sound, forward, count), np.where(is_sound, backward, count)


def summarise(ranks: Float) -> dict[str, float | int]:
    """Recall at the cutoffs and median rank, each beside what chance would give among as many.

    Returns
    -------
    dict
        n, recall_at_k, median_rank, chance_at_k, chance_median_rank; NaN without a visit.
    """
    count = len(ranks)
    if not count:
        nothing = {f"{kind}_at_{k}": float("nan") for kind in ("recall", "chance") for k in CUTOFFS}
        return {"n": 0, **nothing, "median_rank": float("nan"), "chance_median_rank": float("nan")}
    return {
        "n": count,
        **{f"recall_at_{k}": float((ranks <= k).mean()) for k in CUTOFFS},
        "median_rank": float(np.median(ranks)),
        **{f"chance_at_{k}": min(k / count, 1.0) for k in CUTOFFS},
        "chance_median_rank": (count + 1) / 2,
    }


def _places(near: NDArray[np.float32], own: NDArray[np.float32], axis: int) -> Float:
    """What the others add to a rank: 1 for each that is nearer, one half for each that is as near."""
    nearer, not_farther = near > own + TIED, near >= own - TIED
    return np.asarray((np.count_nonzero(nearer, axis=axis) + np.count_nonzero(not_farther, axis=axis)) / 2)
