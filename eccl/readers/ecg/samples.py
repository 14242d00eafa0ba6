"""Samples of one lead: from a comma-separated text to integers, strictly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from eccl.errors import Reason, Rejected

_ALLOWED = b"0123456789-,"


def parse_samples(text: str, lead: str) -> npt.NDArray[np.int64]:
    """Read the comma-separated whole numbers of one lead.

    Parameters
    ----------
    text
        Signed whole numbers separated by commas; lines may be wrapped after (or before) a comma, as CardioSoft does.
    lead
        Name of the lead, for messages.

    Returns
    -------
    (sample,) int64
        Counts of the recorder. Numbers beyond 64 bits come back as the nearest 64-bit number.

    Raises
    ------
    Rejected
        ``ECG_SAMPLES_NOT_INTEGER``: a blank between commas, a fraction, or any other text.
    """
    compact = _join_lines(text)
    if not _is_integer_list(compact):
        raise Rejected(
            Reason.ECG_SAMPLES_NOT_INTEGER,
            f"lead {lead} holds blanks or text between its commas; expected whole numbers; download the file again",
        )
    # The text is known to be well-formed here; on other texts this function would stop early.
    return np.fromstring(compact, dtype=np.int64, sep=",")


def _join_lines(text: str) -> bytes:
    """Remove white space next to commas and at the ends; keep it inside a number, where it is an error."""
    try:
        parts = text.encode("ascii").split()
    except UnicodeEncodeError:
        return b""
    for before, after in pairwise(parts):
        if not before.endswith(b",") and not after.startswith(b","):
            return b""
    return b"".join(parts)


def _is_integer_list(compact: bytes) -> bool:
    if not compact or compact.translate(None, _ALLOWED):
        return False
    if b",," in compact or compact[:1] == b"," or compact[-1:] in (b",", b"-") or b"-," in compact:
        return False
    # every minus stands at the start of a number
    return compact.count(b"-") == compact.count(b",-") + compact.startswith(b"-") and b"--" not in compact
