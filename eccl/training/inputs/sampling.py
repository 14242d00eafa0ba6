"""Visits of an epoch and their order. Reads label arrays, never recordings or cines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


def disease_groups(label: NDArray[np.floating], negatives_per_case: int, seed: int, epoch: int) -> list[Positions]:
    """Groups of one epoch of a disease task: all cases with a fixed multiple of controls each.

    Controls are reshuffled every epoch and dealt out in consecutive chunks of ``negatives_per_case * cases``, so that
    the groups together show every control. The last chunk is topped up with controls drawn without replacement from
    the other chunks, so every group has exactly the same size.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    negatives_per_case
        2 in the paper.
    seed, epoch
        Equal values give equal groups.

    Returns
    -------
    list of ndarray
        Positions in `label`. One group with everything where the disease is so common that one chunk holds all
        controls, or where one class is absent.
    """
    rng = np.random.default_rng([seed, epoch])
    cases, controls = np.flatnonzero(label > 0.5), np.flatnonzero(label <= 0.5)
    size = negatives_per_case * len(cases)
    if size == 0 or len(controls) <= size:
        return [np.arange(len(label), dtype=np.int64)]
    dealt = rng.permutation(controls)
    groups = []
    for start in range(0, len(dealt), size):
        chunk = dealt[start : start + size]
        if len(chunk) < size:
            chunk = np.concatenate([chunk, rng.choice(dealt[:start], size - len(chunk), replace=False)])
        groups.append(np.concatenate([cases, chunk]).astype(np.int64))
    return groups


def batches(
    groups: list[Positions],
    batch_size: int,
    seed: int,
    epoch: int,
    *,
    drop_last: bool,
    block: Positions | None = None,
) -> list[Positions]:
    """Shuffle every group on its own and cut it into batches.

    A batch never straddles two groups: the same case would be in it twice and be its own negative.

    Parameters
    ----------
    drop_last
        Leave out a group's short last batch, so that every contrastive batch has the same number of negatives; a group
        smaller than `batch_size` is one batch all the same. Otherwise a group is cut into equal parts.
    block
        Block of every position: blocks are shuffled, and positions within a block, so that records that lie together
        are read together.
    """
    rng = np.random.default_rng([seed, epoch, 1])
    found: list[Positions] = []
    for group in groups:
        order = rng.permutation(group)
        if block is not None:
            _, member = np.unique(block[order], return_inverse=True)
            order = order[np.argsort(rng.permutation(member.max(initial=0) + 1)[member], kind="stable")]
        if not drop_last:
            # Equal parts: a last batch of one or two would move the weights as far as a whole one.
            found += np.array_split(order, max(1, -(-len(order) // batch_size)))
            continue
        size = max(1, min(batch_size, len(order)))
        found += [order[start : start + size] for start in range(0, len(order) - len(order) % size, size)]
    return found


def epoch_batches(
    positions: Positions,
    label: NDArray[np.floating] | None,
    *,
    batch_size: int,
    seed: int,
    drop_last: bool,
    negatives_per_case: int = 1,
    block: Positions | None = None,
) -> Callable[[int], list[Positions]]:
    """Batches of any epoch, as positions.

    Parameters
    ----------
    positions
        Training visits.
    label
        Label of each of `positions` for a disease task; None shows everything once an epoch.
    block
        Block of everything that can be a position, see :func:`batches`.
    """

    def of_epoch(epoch: int) -> list[Positions]:
        if label is None:
            groups = [positions]
        else:
            groups = [positions[group] for group in disease_groups(label, negatives_per_case, seed, epoch)]
        return batches(groups, batch_size, seed, epoch, drop_last=drop_last, block=block)

    return of_epoch


def chunks(count: int, size: int) -> list[Positions]:
    """Consecutive positions in blocks, nothing dropped, for evaluation."""
    return [np.arange(start, min(start + size, count), dtype=np.int64) for start in range(0, count, size)]
