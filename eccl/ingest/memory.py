"""A batch is a shard, and a shard is held in memory: how many workers this machine has room for."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from eccl.data.memory import available_memory
from eccl.errors import ConfigError
from eccl.ingest.modality import Modality

# Measured (benchmarks/results/growth.csv): a worker's peak over its imports is 2.6 times the arrays of its batch, which are held
# as records, as a block, and as what the codec makes of them. Worker and reader process are 190 and 150 MB before.
_COPIES = 3.0
_PROCESS_BYTES = 350 << 20


def worker_bytes(modality: Modality) -> int:
    """Memory that a worker and its reader process need for one batch."""
    record = sum(prod(spec.record_shape) * np.dtype(spec.dtype).itemsize for spec in modality.specs)
    return _PROCESS_BYTES + int(_COPIES * record * modality.shard_rows)


def fitting_workers(workers: int, modalities: Iterable[Modality], available: int | None = None) -> int:
    """Workers that this machine has room for, at most as many as asked for.

    Raises
    ------
    ConfigError
        There is no room for one; the message says which parameter makes a batch smaller.
    """
    free = available_memory() if available is None else available
    largest = max(modalities, key=worker_bytes)
    needed = worker_bytes(largest)
    if needed > free:
        raise ConfigError(
            f"a batch of {largest.shard_rows} {largest.kind} records needs about {needed >> 20} MB, {free >> 20} MB are free; lower "
            f"ingest.{largest.kind}_shard_rows in params.yaml before the first ingest, or free memory"
        )
    return min(workers, free // needed)
