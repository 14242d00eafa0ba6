"""Records of one array for training: held in memory, or read ahead, in the stored type and cast on the device.

There are no worker processes: tensorstore reads with threads of its own, and must not be forked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.data.arrays import open_array, read_rows, record_bytes
from eccl.data.memory import available_memory
from eccl.errors import SplitError
from eccl.training.loop.runtime import Runtime

Int = NDArray[np.int64]
_READ_BYTES = 512 * 2**20
_BATCHES_AHEAD = 4
_BLOCK_BYTES = 2 * 2**30
TRAINING_SPLITS = ("train", "val")


def open_source(data: Path, name: str, rows: Int, runtime: Runtime) -> ResidentArray | StreamedArray:
    """Choose how to hold an array.

    Parameters
    ----------
    data, name, rows
        Array below data/ and the slots to hold, in the order in which positions count them.
    """
    chosen: str = runtime.config.arrays
    if chosen == "auto":
        wanted = record_bytes(data, name) * len(rows) * runtime.world  # every process holds its own
        chosen = runtime.agree("resident" if wanted < available_memory() // 2 else "streamed")
    if chosen == "resident":
        return ResidentArray(read_all(data, name, rows), runtime.device)
    return StreamedArray(data, name, rows, runtime.device)


class ResidentArray:
    """All records in memory; a batch is a gather.

    On a GPU the whole array is moved there if it fits into a third of its free memory.

    Parameters
    ----------
    records
        (n, ...) in the stored type.
    """

    block: Int | None = None

    def __init__(self, records: NDArray[Any], device: torch.device) -> None:
        self.device = device
        self._records = torch.from_numpy(records)
        if device.type == "cuda" and self._records.nbytes < torch.cuda.mem_get_info(device)[0] // 3:
            self._records = self._records.to(device)

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, positions: Int) -> Tensor:
        """Records on the device, still int16 or uint8."""
        index = torch.from_numpy(np.ascontiguousarray(positions)).to(self._records.device)
        return _to_device(self._records[index], self.device)

    def expect(self, batches: Sequence[Int]) -> None:
        """Do nothing: all records are in memory."""


class StreamedArray:
    """Records stay on disk; the next few batches are being read while one is used.

    `block` groups the shards into blocks of about 2 GiB. An order that shuffles blocks, and records within a block,
    reads each shard's neighbourhood once per epoch.
    """

    def __init__(self, data: Path, name: str, rows: Int, device: torch.device) -> None:
        self.device = device
        self._rows = rows
        self._array = open_array(data, name)
        per_block = max(1, _BLOCK_BYTES // (record_bytes(data, name) * self._array.shard_rows))
        self.block: Int | None = rows // (self._array.shard_rows * per_block)
        self._coming: deque[Int] = deque()
        self._reading: deque[tuple[Int, Any]] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def expect(self, batches: Sequence[Int]) -> None:
        """Start reading the first of these batches."""
        self._coming, self._reading = deque(batches), deque()
        self._read_ahead()

    def batch(self, positions: Int) -> Tensor:
        """Records on the device, still int16 or uint8; a batch that was not announced is read at once."""
        if self._reading and np.array_equal(self._reading[0][0], positions):
            future = self._reading.popleft()[1]
        else:
            future = self._array.read(self._rows[positions])
        self._read_ahead()
        return _to_device(torch.from_numpy(np.asarray(future.result())), self.device)

    def _read_ahead(self) -> None:
        while self._coming and len(self._reading) < _BATCHES_AHEAD:
            positions = self._coming.popleft()
            self._reading.append((positions, self._array.read(self._rows[positions])))


class GuardedSource:
    """A source without the test split, which a training stage must not read.

    Parameters
    ----------
    source
        Records of all splits.
    split
        (n,) split of every position.
    """

    def __init__(self, source: Source, split: NDArray[np.str_]) -> None:
        self._source = source
        self._split = split
        self.device: torch.device = source.device
        self.block: Int | None = source.block

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, positions: Int) -> Tensor:
        """Records of train and validation.

        Raises
        ------
        SplitError
            One of them belongs to another split.
        """
        check_splits(self._split[positions])
        return self._source.batch(positions)

    def expect(self, batches: Sequence[Int]) -> None:
        """Receive the batches that are read next.

        Raises
        ------
        SplitError
            One of the rows belongs to another split.
        """
        for batch in batches:
            check_splits(self._split[batch])
        self._source.expect(batches)


def check_splits(split: NDArray[np.str_]) -> None:
    """Refuse a batch that holds rows of another split than train and val.

    Raises
    ------
    SplitError
        With their number.
    """
    others = int((~np.isin(split, TRAINING_SPLITS)).sum())
    if others:
        raise SplitError(
            f"{others} of {len(split)} rows that training requested belong neither to train nor to val; the test "
            "split is read once, by `evaluate`. Select positions with Visits.select"
        )


Source = ResidentArray | StreamedArray | GuardedSource


def _to_device(records: Tensor, device: torch.device) -> Tensor:
    return records if records.device == device else records.pin_memory().to(device, non_blocking=True)


def read_all(data: Path, name: str, rows: Int) -> NDArray[Any]:
    """Records of an array in the order of `rows`, in the stored type."""
    # Shards are read in their own order, in blocks that bound what is decompressed at once.
    order = np.argsort(rows, kind="stable")
    first = read_rows(data, name, rows[order[:1]])
    block = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
    step = max(1, _READ_BYTES // max(1, int(np.prod(first.shape[1:])) * first.dtype.itemsize))
    for start in range(0, len(rows), step):
        some = order[start : start + step]
        block[some] = read_rows(data, name, rows[some])
    return block
