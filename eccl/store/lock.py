"""One writer at a time: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eccl.errors import LockedError
from eccl.store.files import told_when_full


@contextmanager
def writing(state: Path, what: str) -> Iterator[None]:
    """Hold the workspace's write lock.

    The kernel releases the lock when the holder dies, so a stale file never blocks anybody.

    Raises
    ------
    LockedError
        Somebody else holds it; the message names the holder and its age.
    """
    state.mkdir(parents=True, exist_ok=True)
    path = state / "write.lock"
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(_holder(path)) from None
        stream.seek(0)
        stream.truncate()
        json.dump({"what": what, "pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}, stream)
        stream.flush()
        try:
            with told_when_full(state.parent):
                yield
        finally:
            stream.seek(0)
            stream.truncate()


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_text())
        age = int(time.time() - found["since"])
        who = f"`eccl {found['what']}` (process {found['pid']} on {found['host']}, for {age} s)"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"the workspace is being written by {who}; wait for it to end, then run the command again"
