"""One writer at a time: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from eccl.data.files import disk_full_error
from eccl.errors import LockedError


@contextmanager
def writing(state: Path, what: str) -> Iterator[None]:
    """Hold the workspace's write lock.

    The kernel releases the lock when the holder dies, so a file that remains blocks no other process.

    Raises
    ------
    LockedError
        Another process holds it; the message names the holder and its age.
    """
    state.mkdir(parents=True, exist_ok=True)
    path = state / "write.lock"
    with path.open("a+") as stream:
        _acquire(stream, path)
        stream.seek(0)
        stream.truncate()
        json.dump({"what": what, "pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}, stream)
        stream.flush()
        _await_orphans(state)
        try:
            with disk_full_error(state.parent):
                yield
        finally:
            stream.seek(0)
            stream.truncate()


def _acquire(stream: IO[str], path: Path) -> None:
    for attempt in range(3):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == 2:
                raise LockedError(_holder(path)) from None
            time.sleep(0.1)  # another process may be reading the note of the holder


def _await_orphans(state: Path) -> None:
    """Wait for workers of a cluster whose flow was killed: each holds the lock of its batch until it is committed.

    Workers that start later read a new holder in ``write.lock`` and do not begin.
    """
    for path in sorted((state / "batches").glob("*.lock")):
        with path.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)


@dataclass(frozen=True, slots=True)
class Note:
    """Note of the holder in the lock file."""

    what: str
    pid: int
    host: str
    age_s: int


def read_note(path: Path) -> Note | None:
    """Read the note in a lock file; None if there is no readable note."""
    try:
        found = json.loads(path.read_text())
        return Note(str(found["what"]), int(found["pid"]), str(found["host"]), int(time.time() - found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _holder(path: Path) -> str:
    note = read_note(path)
    who = f"`eccl {note.what}` (process {note.pid} on {note.host}, for {note.age_s} s)" if note else "another process"
    return f"the workspace is being written by {who}; wait for it to end, then run the command again"
