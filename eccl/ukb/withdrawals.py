"""Withdrawal lists: one participant a line, no header."""

from __future__ import annotations

import re
from pathlib import Path

from eccl.errors import Reason, Rejected

_EID = re.compile(rb"[1-9][0-9]{0,9}")
_BOM = b"\xef\xbb\xbf"


def read_withdrawals(path: Path | str) -> frozenset[int]:
    """Read the participants of a withdrawal list.

    Parameters
    ----------
    path
        ``w<application>_<YYYYMMDD>.csv``: one eid per line, no header; Windows or Unix line ends, with or without a
        byte-order mark. An empty file means that nobody has withdrawn.

    Returns
    -------
    frozenset of int
        Participants that must be removed everywhere.

    Raises
    ------
    Rejected
        ``TABLE_EID``: a line is not an eid. The message names the line's number, never its content. Nothing is
        returned in that case: half a list would leave withdrawn participants in place.
    """
    content = Path(path).read_bytes().removeprefix(_BOM)
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
