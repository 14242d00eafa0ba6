"""Raw files come from outside, so they are read in a process of their own: a file that hangs, crashes or bloats its reader is
refused, and the batch goes on.

Each thread of a worker has one reader process, kept from batch to batch. It is started as a plain subprocess, because
Dask's workers may not have multiprocessing's children.
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
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from eccl.config import LimitParams
from eccl.errors import Reason, Rejected, WorkerError
from eccl.ingest.modality import Modality, Record
from eccl.ingest.reader.messages import READY, Answer, Failed, Unreadable

# Starting takes a second or two; on a machine that is busy with everything else, longer.
_START_SECONDS = 300.0
# One file is read at a time: threads of numerical libraries would only take cores from other workers.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# glibc hands arrays of every file back to the kernel and asks for them again, page by page: a third of an ECG's time.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}


class ReaderProcess:
    """One reader process and the limits it is held to."""

    def __init__(self, limits: LimitParams) -> None:
        self.limits = limits
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., ReaderProcess] | None = None  # also when this object or the interpreter goes

    def read(self, path: Path, modality: Modality) -> Record:
        """Read one file; a process that dies over it is given a successor, which tries once more.

        Raises
        ------
        Rejected
            The reader's own reasons, and ``time_limit``, ``memory_limit``, ``reader_crashed``, ``reader_failed``.
        OSError
            The file cannot be read.
        """
        try:
            answer = self._ask(path, modality)
        except Rejected as refusal:
            if refusal.reason is not Reason.READER_CRASHED:
                raise
            # Somebody else may have killed it, and no file is refused for that. A file that kills its reader does so again.
            answer = self._ask(path, modality)
        if isinstance(answer, Record):
            return answer
        if isinstance(answer, Rejected):
            raise answer
        if isinstance(answer, Unreadable):
            raise OSError(answer.number, os.strerror(answer.number or 0))
        if isinstance(answer, Failed):
            raise Rejected(Reason.READER_FAILED, f"{answer.error} in the reader; the file met a case nobody foresaw")
        self.close()  # what is left of it may be short of memory for the next file
        raise Rejected(Reason.MEMORY_LIMIT, f"reading needed more than {self.limits.memory_mb} MB (limits.memory_mb)")

    def close(self) -> None:
        """End the process."""
        if self._end is not None:
            self._end()
        self._end = self._process = self._connection = None

    def _ask(self, path: Path, modality: Modality) -> Answer:
        connection = self._connection or self._start()
        seconds = self.limits.seconds_per_file
        try:
            connection.send((path, modality, seconds))
            if not connection.poll(seconds):
                self.close()
                raise Rejected(Reason.TIME_LIMIT, f"reading took longer than {seconds:g} s (limits.seconds_per_file)")
            answer: Answer = connection.recv()
        except (EOFError, ConnectionError):
            raise Rejected(Reason.READER_CRASHED, self._died()) from None
        return answer

    def _start(self) -> Connection:
        for _ in range(2):  # somebody may kill it before it is ready
            connection = self._begin()
            with contextlib.suppress(EOFError, ConnectionError):
                if connection.poll(_START_SECONDS) and connection.recv() == READY:
                    return connection
            self.close()
        raise WorkerError(
            "the process that reads raw files did not start; its own words stand above; check the installation with `eccl doctor`"
        )

    def _begin(self) -> Connection:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [
                sys.executable, "-m", "eccl.ingest.reader.process", str(theirs.fileno()), str(self.limits.memory_mb << 20),
            ]  # fmt: skip
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=_environment(os.environ)
                )
            except OSError as error:  # which says nothing about the file that is to be read
                raise WorkerError(
                    f"no process to read raw files can be started ({os.strerror(error.errno or 0)}); raise the limits on processes, "
                    "memory or open files, or use fewer --workers, then run the same command again"
                ) from None
            self._connection = Connection(ours.detach())
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
    # The package may lie in a folder that only our own path knows.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**_KEEP_MEMORY, **own, **_ONE_THREAD, "PYTHONPATH": path}


_readers = threading.local()


def guarded_read(path: Path, modality: Modality, limits: LimitParams) -> Record:
    """Read one raw file in this thread's reader process; see :meth:`ReaderProcess.read`."""
    reader: ReaderProcess | None = getattr(_readers, "reader", None)
    if reader is None or reader.limits != limits:
        if reader is not None:
            reader.close()
        reader = _readers.reader = ReaderProcess(limits)
    return reader.read(path, modality)
