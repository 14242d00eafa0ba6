"""Worker processes of this machine: how many fit into memory, and a pool that replaces one that died."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from math import prod

import numpy as np

from eccl.data.memory import available_memory
from eccl.errors import ConfigError, WorkerError
from eccl.ingest.batch import BatchResult
from eccl.ingest.plan import Batch
from eccl.ingest.record import RecordReader

# Measured (benchmarks/results/growth.csv): a worker's peak above its imports is 2.6 times the arrays of its batch, which are held
# as records, as a block, and as the output of the codec. Worker and reader process take 190 and 150 MB before that.
_COPIES = 3.0
_PROCESS_BYTES = 350 << 20

Work = Callable[[Batch], BatchResult]


def worker_bytes(reader: RecordReader) -> int:
    """Memory that a worker and its reader process need for one batch."""
    record = sum(prod(spec.record_shape) * np.dtype(spec.dtype).itemsize for spec in reader.specs)
    return _PROCESS_BYTES + int(_COPIES * record * reader.shard_rows)


def fitting_workers(workers: int, readers: Iterable[RecordReader], available: int | None = None) -> int:
    """Workers for which this machine has memory, at most `workers`.

    Raises
    ------
    ConfigError
        There is no memory for one; the message names the parameter that makes a batch smaller.
    """
    free = available_memory() if available is None else available
    largest = max(readers, key=worker_bytes)
    needed = worker_bytes(largest)
    if needed > free:
        raise ConfigError(
            f"a batch of {largest.shard_rows} {largest.kind} records needs about {needed >> 20} MB, {free >> 20} MB are free; lower "
            f"ingest.{largest.kind}_shard_rows in params.yaml before the first ingest, or free memory"
        )
    return min(workers, free // needed)


class WorkerProcesses:
    """A pool of processes that commit batches; use it as a context manager.

    After a worker died, the next batch gets a new pool. The processes are spawned, because a forked one would inherit the
    threads of tensorstore and abort, and they end with their parent.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._others = set(multiprocessing.active_children())
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> WorkerProcesses:
        self._pool = _new_pool(self._workers)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is None:
            return
        if kind is not None:  # an error or a timeout: results are not needed any more, and a commit is a rename
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
        pool.shutdown(wait=True, cancel_futures=True)

    def run(self, work: Work, batch: Batch) -> BatchResult:
        """Commit a batch in one of the processes and wait for it; threads may call this at the same time.

        Raises
        ------
        WorkerError
            The pool has been closed.
        BrokenExecutor
            A worker died; the next call uses a new pool.
        """
        pool = self._pool
        if pool is None:
            raise WorkerError("the ingest of this batch has ended; run the ingest again")
        try:
            return pool.submit(work, batch).result()
        except BrokenExecutor:
            with self._lock:
                if self._pool is pool:
                    pool.shutdown(wait=False, cancel_futures=True)
                    self._pool = _new_pool(self._workers)
            raise

    def map(self, work: Work, batches: Iterable[Batch]) -> Iterator[BatchResult]:
        """Commit batches and yield their results as they are completed.

        Raises
        ------
        WorkerError
            A worker died.
        """
        if self._pool is None:
            raise WorkerError("the pool of worker processes is closed; run the ingest again")
        try:
            for future in as_completed([self._pool.submit(work, batch) for batch in batches]):
                yield future.result()
        except BrokenExecutor:
            raise WorkerError(
                "a worker process was ended from outside, often by the system because memory ran out; committed batches are kept; "
                "run the same command again, with fewer --workers if it happens twice"
            ) from None


def _new_pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=_die_with_parent)


def _die_with_parent() -> None:
    # A killed parent releases the write lock; a worker that continued would write beside the next ingest.
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
