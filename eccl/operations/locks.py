"""Who is writing to a workspace. The kernel holds the lock; the file only says for whom."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass

from eccl.data.lock import read_note
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Lock:
    """The write lock of a workspace.

    Parameters
    ----------
    is_held
        Whether a living process holds it.
    is_stale
        Whether its last holder died without saying good-bye; harmless, the next writer takes it.
    what, pid, host, age_s
        What the holder does, and since when; None where nobody says.
    """

    is_held: bool
    is_stale: bool
    what: str | None = None
    pid: int | None = None
    host: str | None = None
    age_s: int | None = None

    def describe(self) -> str:
        """The lock in words."""
        if not self.is_held and not self.is_stale:
            return "nobody is writing"
        who = (
            f"`eccl {self.what}` (process {self.pid} on {self.host}, since {self.age_s} s)" if self.what else "somebody"
        )
        return f"held by {who}" if self.is_held else f"left behind by {who}, which ended without releasing it"


def read_lock(workspace: Workspace) -> Lock:
    """Look who holds the write lock; it is touched for an instant only."""
    path = workspace.state / "write.lock"
    if not path.is_file():
        return Lock(is_held=False, is_stale=False)
    with path.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(stream, fcntl.LOCK_UN)
            is_held = False
        except BlockingIOError:
            is_held = True
    note = read_note(path)
    if note is None:
        return Lock(is_held, is_stale=False)
    return Lock(is_held, not is_held, note.what, note.pid, note.host, note.age_s)
