"""The reader process: reads raw files one at a time for a batch worker, and may be killed at any moment.

It is started by :mod:`eccl.ingest.reader.supervisor` and speaks over one socket: (path, modality, seconds) in, an answer out. It writes
nothing and holds nothing that anybody would miss.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from eccl.errors import Rejected
from eccl.ingest.reader.messages import READY, Answer, Failed, OutOfMemory, Unreadable

if TYPE_CHECKING:
    from eccl.ingest.modality import Modality


def serve(connection: Connection, memory_bytes: int) -> None:
    """Answer requests until the other side is gone."""
    import eccl.ingest.modality  # noqa: F401  (before the limit and the first request: it takes a second)

    _limit_memory(memory_bytes)
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts the ingest means its parent
    connection.send(READY)
    while True:
        try:
            path, modality, seconds = connection.recv()
        except EOFError:
            return
        # Where a parent's death is not told, the kernel ends this process; a decoder that hangs in C would not notice a handler.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 10)
        answer = read(path, modality)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            connection.send(answer)
        except MemoryError:
            connection.send(OutOfMemory())
        except ConnectionError:  # nobody listens any more
            return


def read(path: Path, modality: Modality) -> Answer:
    """Read one file; whatever happens becomes an answer."""
    try:
        return modality.read(path)
    except Rejected as error:
        return error
    except MemoryError:
        return OutOfMemory()
    except OSError as error:
        return Unreadable(error.errno)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a decoder written in Rust is no Exception
        # Only the kind of error is told: its message may quote the file.
        return Failed(type(error).__name__)


def _die_with_parent() -> None:
    # PR_SET_PDEATHSIG, which Linux alone has. A parent that is gone already is noticed by the first recv().
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))


def _limit_memory(limit: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    except (OSError, ValueError):  # a system without this limit: the time limit still holds
        return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]))
