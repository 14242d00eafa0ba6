"""The reader process: reads raw files for a batch worker, one at a time, and can be killed at any moment.

It is started by :mod:`eccl.ingest.reader.supervisor`. One socket carries requests (path, read function, seconds) and answers.
The process writes nothing and keeps no state.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from eccl.errors import Reason, Rejected

if TYPE_CHECKING:
    from eccl.ingest.record import Record


def serve(connection: Connection, memory_bytes: int) -> None:
    """Answer requests until the connection is closed."""
    from eccl.config import Params
    from eccl.ingest.record import record_readers

    record_readers(Params())  # imports the readers before the memory limit and the first request: it takes a second
    _limit_memory(memory_bytes)
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is meant for the parent, which ends this process
    connection.send(None)  # ready
    while True:
        try:
            path, read, seconds = connection.recv()
        except EOFError:
            return
        # Ends this process where its parent died unnoticed: a decoder that hangs in C would not run a signal handler.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 10)
        answer = read_file(path, read)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            connection.send(answer)
        except MemoryError:
            connection.send(MemoryError())
        except ConnectionError:  # the worker has ended
            return


def read_file(path: Path, read: Callable[[Path], Record]) -> Record | Rejected | MemoryError | OSError:
    """Read one file; return the record, or the error for the worker to raise, without text from the file."""
    try:
        return read(path)
    except Rejected as error:
        return error
    except MemoryError:
        return MemoryError()
    except OSError as error:
        return OSError(error.errno, os.strerror(error.errno or 0))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a decoder written in Rust is no Exception
        return reader_failed(error)


def reader_failed(error: BaseException) -> Rejected:
    """Rejection of a file whose reader raised an unexpected error; it names the class only: the message may quote the file."""
    return Rejected(Reason.READER_FAILED, f"{type(error).__name__} in the reader; the file met a case nobody foresaw")


def _die_with_parent() -> None:
    # PR_SET_PDEATHSIG, which only Linux has. The first recv() notices a parent that has ended already.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))


def _limit_memory(limit: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    except (OSError, ValueError):  # a system without this limit; the time limit still applies
        return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
