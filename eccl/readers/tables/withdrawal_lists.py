"""Withdrawal lists: one participant a line, no header."""

from __future__ import annotations

import re
from pathlib import Path

from eccl.errors import Reason, Rejected

_EID = re.compile(rb"[1-9][0-9]{0,9}")
_BOM = b"\xef\xbb\xbf"
MAX_BYTES = 64 << 20  # half a million participants, one a line, take 4 MiB


def read_withdrawals(path: Path | str) -> frozenset[int]:
    """Read the participants of a withdrawal list.

    Parameters
    ----------
    path
        ``w<application>_<YYYYMMDD>.csv``: one eid per line, no header; Windows or Unix line ends, with or without a
        byte-order mark. An empty file means that no participant has withdrawn.

    Returns
    -------
    frozenset of int
        Participants that must be removed everywhere.

    Raises
    ------
    Rejected
        ``TABLE_EID``: a line is not an eid. The message names the line's number, never its content. Nothing is
        returned in that case: half a list would leave withdrawn participants in place. ``UNREADABLE``: no regular
        file. ``FILE_TOO_LARGE``: more than any list of participants.
    """
    path = Path(path)
    _check_file(path)
    content = path.read_bytes().removeprefix(_BOM)
    found: set[int] = set()
    for number, line in enumerate(content.splitlines(), start=1):
        cell = line.strip().strip(b'"')
        if not cell:
            continue
        if _EID.fullmatch(cell) is None:
            raise Rejected(
                Reason.TABLE_EID,
                f"line {number} of the withdrawal list is not a participant id; expected one positive whole number a "
                "line and no header; download the list again or correct that line",
            )
        found.add(int(cell))
    return frozenset(found)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise Rejected(
            Reason.UNREADABLE, "found no regular file (a folder, pipe, device or dangling link); expected a list"
        )
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Rejected(
            Reason.FILE_TOO_LARGE, f"found {size} bytes; expected at most {MAX_BYTES} of a withdrawal list; look at it"
        )
