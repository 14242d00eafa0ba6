"""Records of one array for training: held in memory, or read ahead, in the stored type and cast on the device.

There are no worker processes: tensorstore reads with threads of its own, and must not be forked.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

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


class Source(Protocol):
    """Records by position."""

    @property
    def device(self) -> torch.device:
        """Where batches go."""
        ...

    @property
    def block(self) -> Int | None:
        """(n,) block of shards of every position, for arrays that are read block by block; None where any order will do."""
        ...

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for records so far."""
        ...

    def __len__(self) -> int: ...

    def batch(self, positions: Int) -> Tensor:
        """Records on the device, still int16 or uint8."""
        ...

    def expect(self, batches: Sequence[Int]) -> None:
        """Receive the batches that are read next, in order."""
        ...


def open_source(data: Path, name: str, rows: Int, runtime: Runtime) -> Source:
    """Choose how to hold an array.

    Parameters
    ----------
    data, name, rows
        Array below data/ and the slots to hold, in the order in which positions count them.
    """
    chosen = runtime.config.arrays
    if chosen == "auto":
        wanted = record_bytes(data, name) * len(rows) * runtime.world  # every process holds its own
        chosen = runtime.agree("resident" if wanted < available_memory() // 2 else "streamed")
    if chosen == "resident":
        return ResidentArray.read(data, name, rows, runtime.device)
    return StreamedArray(data, name, rows, runtime.device)


class ResidentArray:
    """All records in memory; a batch is a gather.

    On a GPU the whole block is moved there if it fits into a third of its free memory.
    """

    block: Int | None = None

    def __init__(self, records: NDArray[Any], device: torch.device) -> None:
        self.device = device
        self.waited_s = 0.0
        self._block = torch.from_numpy(records)
        if device.type == "cuda":
            fits = self._block.nbytes < torch.cuda.mem_get_info(device)[0] // 3
            self._block = self._block.to(device) if fits else self._block

    @classmethod
    def read(cls, data: Path, name: str, rows: Int, device: torch.device) -> ResidentArray:
        """Read the records of some slots of an array below data/."""
        return cls(_read_all(data, name, rows), device)

    def __len__(self) -> int:
        return len(self._block)

    def batch(self, positions: Int) -> Tensor:
        """Records on the device, still int16 or uint8."""
        start = time.perf_counter()
        index = torch.from_numpy(np.ascontiguousarray(positions)).to(self._block.device)
        records = self._block[index]
        if records.device != self.device:
            records = records.pin_memory().to(self.device, non_blocking=True)
        self.waited_s += time.perf_counter() - start
        return records

    def expect(self, batches: Sequence[Int]) -> None:
        """Nothing to do: all records are in memory."""


class StreamedArray:
    """Records stay on disk; the next few batches are being read while one is used.

    `block` groups the shards into blocks of about 2 GiB. An order that shuffles blocks, and records within a block,
    reads each shard's neighbourhood once per epoch.
    """

    def __init__(self, data: Path, name: str, rows: Int, device: torch.device) -> None:
        self.device = device
        self.waited_s = 0.0
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
        start = time.perf_counter()
        if self._reading and np.array_equal(self._reading[0][0], positions):
            future = self._reading.popleft()[1]
        else:
            future = self._array.read(self._rows[positions])
        self._read_ahead()
        records = torch.from_numpy(np.asarray(future.result()))
        if self.device.type == "cuda":
            records = records.pin_memory().to(self.device, non_blocking=True)
        self.waited_s += time.perf_counter() - start
        return records

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
        self._is_allowed = np.isin(split, TRAINING_SPLITS)
        self.device = source.device
        self.block = source.block

    @property
    def waited_s(self) -> float:
        return self._source.waited_s

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, positions: Int) -> Tensor:
        """Records of train and validation.

        Raises
        ------
        SplitError
            One of them belongs to another split.
        """
        check_splits(self._is_allowed[positions])
        return self._source.batch(positions)

    def expect(self, batches: Sequence[Int]) -> None:
        """Receive the batches that are read next.

        Raises
        ------
        SplitError
            One of the rows belongs to another split.
        """
        for batch in batches:
            check_splits(self._is_allowed[batch])
        self._source.expect(batches)


def check_splits(is_allowed: NDArray[np.bool_]) -> None:
    """Refuse a batch that holds rows of another split than train and val.

    Raises
    ------
    SplitError
        With their number.
    """
    others = int((~is_allowed).sum())
    if others:
        raise SplitError(
            f"{others} of {len(is_allowed)} rows that training requested belong neither to train nor to val; the test "
            "split is read once, by `evaluate`. Select positions with Visits.select"
        )


def _read_all(data: Path, name: str, rows: Int) -> NDArray[Any]:
    # Shards are read in their own order, in blocks that bound what is decompressed at once.
    order = np.argsort(rows, kind="stable")
    first = read_rows(data, name, rows[order[:1]])
    block = np.empty((len(rows), *first.shape[1:]), dtype=first.dtype)
    step = max(1, _READ_BYTES // max(1, int(np.prod(first.shape[1:])) * first.dtype.itemsize))
    for start in range(0, len(rows), step):
        some = order[start : start + step]
        block[some] = read_rows(data, name, rows[some])
    return block
