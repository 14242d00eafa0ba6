"""Read untrusted raw files in a separate process, under limits of time and memory.

A file that hangs or crashes its reader, or needs too much memory, is quarantined, and the batch continues. Each thread of a
worker keeps one reader process from batch to batch. It is a plain subprocess, because Dask's workers may not have children
of multiprocessing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from eccl.config import LimitParams
from eccl.errors import Reason, Rejected, WorkerError
from eccl.ingest.record import Record

# Starting takes a second or two, longer on a busy machine.
_START_SECONDS = 300.0
# One file is read at a time: threads of numerical libraries would only take cores from other workers.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Otherwise glibc returns the arrays of every file to the kernel and requests them again: a third of the time of an ECG.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}


class ReaderProcess:
    """One reader process and its limits."""

    def __init__(self, limits: LimitParams) -> None:
        self.limits = limits
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., ReaderProcess] | None = None  # runs when this object is collected, too

    def read(self, path: Path, read: Callable[[Path], Record]) -> Record:
        """Read one file; if the process dies, a new one tries once more.

        Raises
        ------
        Rejected
            The reader's own reasons, and ``time_limit``, ``memory_limit``, ``reader_crashed``, ``reader_failed``.
        OSError
            The file cannot be read.
        """
        try:
            answer = self._request(path, read)
        except Rejected as error:
            if error.reason is not Reason.READER_CRASHED:
                raise
            # The process may have been killed for another reason. A file that crashes its reader does so again.
            answer = self._request(path, read)
        if isinstance(answer, MemoryError):
            self.close()  # the process may have too little memory left for the next file
            limit = self.limits.memory_mb
            raise Rejected(Reason.MEMORY_LIMIT, f"reading needed more than {limit} MB (limits.memory_mb)")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        if self._end is not None:
            self._end()
        self._end = self._process = self._connection = None

    def _request(self, path: Path, read: Callable[[Path], Record]) -> Record | Exception:
        connection = self._connection or self._start()
        seconds = self.limits.seconds_per_file
        try:
            connection.send((path, read, seconds))
            if not connection.poll(seconds):
                self.close()
                raise Rejected(Reason.TIME_LIMIT, f"reading took longer than {seconds:g} s (limits.seconds_per_file)")
            answer: Record | Exception = connection.recv()
        except (EOFError, ConnectionError):
            raise Rejected(Reason.READER_CRASHED, self._died()) from None
        return answer

    def _start(self) -> Connection:
        for _ in range(2):  # it may be killed before it is ready
            connection = self._begin()
            with contextlib.suppress(EOFError, ConnectionError):
                if connection.poll(_START_SECONDS):
                    connection.recv()
                    return connection
            self.close()
        raise WorkerError(
            "the process that reads raw files did not start; its error output is printed above; check the installation with `eccl doctor`"
        )

    def _begin(self) -> Connection:
        own_end, reader_end = socket.socketpair()
        with own_end, reader_end:
            command = [
                sys.executable, "-m", "eccl.ingest.reader.process", str(reader_end.fileno()), str(self.limits.memory_mb << 20),
            ]  # fmt: skip
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=[reader_end.fileno()], stdin=subprocess.DEVNULL, env=_environment(os.environ)
                )
            except OSError as error:  # not a fault of the file
                raise WorkerError(
                    f"the process that reads raw files cannot be started ({os.strerror(error.errno or 0)}); raise the limits on processes, "
                    "memory or open files, or use fewer --workers, then run the same command again"
                ) from None
            self._connection = Connection(own_end.detach())
        self._end = weakref.finalize(self, _stop, self._process, self._connection)
        return self._connection

    def _died(self) -> str:
        process = self._process
        status = process.wait() if process is not None else 0
        self.close()
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        often = ", often the system's answer to a lack of memory" if status == -signal.SIGKILL else ""
        return f"the reading process ended with {name}{often}"


def _stop(process: subprocess.Popen[bytes], connection: Connection) -> None:
    connection.close()
    process.kill()
    process.wait()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    # The package may be in a folder that is only in sys.path of this process.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**_KEEP_MEMORY, **own, **_ONE_THREAD, "PYTHONPATH": path}


_readers = threading.local()


def read_in_process(path: Path, read: Callable[[Path], Record], limits: LimitParams) -> Record:
    """Read one raw file in this thread's reader process; see :meth:`ReaderProcess.read`."""
    reader: ReaderProcess | None = getattr(_readers, "reader", None)
    if reader is None or reader.limits != limits:
        if reader is not None:
            reader.close()
        reader = _readers.reader = ReaderProcess(limits)
    return reader.read(path, read)
