"""Assign each participant to one split by a keyed hash of the id alone, so that the split never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import pyarrow as pa

SPLITS = ("train", "val", "test")


def split_bucket(eid: int, key: str) -> float:
    """Hash a participant to a number in [0, 1), uniformly.

    The same key gives the same number on every machine and in every cohort.
    """
    digest = hashlib.blake2b(str(eid).encode(), key=key.encode()[:64], digest_size=8, person=b"eccl-split").digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def split_of(bucket: float, shares: Mapping[str, float]) -> str:
    """Name the split of a bucket; train, val and test cover [0, 1) in this order."""
    if bucket < shares["train"]:
        return "train"
    # Written so that rounding of the shares can only ever move the border between val and test.
    return "val" if bucket < shares["train"] + shares["val"] else "test"


def assign_splits(eids: Iterable[int], key: str, shares: Mapping[str, float]) -> pa.Table:
    """Assign every participant to a split.

    Returns
    -------
    pyarrow.Table
        eid int64, split string, bucket double; sorted by eid, duplicates removed.
    """
    ordered = sorted(set(eids))
    buckets = [split_bucket(eid, key) for eid in ordered]
    return pa.table(
        {
            "eid": pa.array(ordered, pa.int64()),
            "split": pa.array([split_of(bucket, shares) for bucket in buckets], pa.string()),
            "bucket": pa.array(buckets, pa.float64()),
        }
    )
