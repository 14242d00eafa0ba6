"""A quick look at plain DICOM files: the values of wanted elements, without a data set around them.

A study has 500 to 650 files, and nearly all of them are plain: little-endian, elements in ascending order, sequences that
say how long they are or end where they should. Whatever is not plain is left to pydicom, which decides.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PREAMBLE = 132
_META_GROUP = 0x0002
_TRANSFER_SYNTAX = 0x00020010
_IMPLICIT = "1.2.840.10008.1.2"
# Big-endian and deflated files have another form altogether.
_NOT_PLAIN = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", ""})
_SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 8


_NATIVE = frozenset({_IMPLICIT, "1.2.840.10008.1.2.1"})
_IMAGE = {
    "samples": 0x00280002,
    "frames": 0x00280008,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "allocated": 0x00280100,
    "stored": 0x00280101,
    "high": 0x00280102,
    "is_signed": 0x00280103,
    "intercept": 0x00281052,
    "slope": 0x00281053,
    "pixels": 0x7FE00010,
}


class _NotPlain(Exception):
    """Left to pydicom."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Values of the wanted elements as written, the transfer syntax, and whether an element beyond the last wanted one was met."""

    values: dict[int, bytes]
    syntax: str
    is_complete: bool


def scan(data: bytes, wanted: Collection[int]) -> Scan | None:
    """Read the values of wanted elements of a file, or of its beginning.

    Parameters
    ----------
    data
        The file's bytes from the start.
    wanted
        Tags as numbers, ``0x00280010`` for Rows; none of group 2 and none within a sequence.

    Returns
    -------
    Scan or None
        None where the file is not plain, or is cut within an element that may be wanted.
    """
    if data[128:_PREAMBLE] != b"DICM":
        return None
    try:
        syntax, begin = _read_syntax(data)
        if syntax in _NOT_PLAIN:
            return None
        return _read(data, begin, frozenset(wanted), syntax)
    except (_NotPlain, struct.error):
        return None


def plain_pixels(content: bytes, shape: tuple[int, int]) -> NDArray[np.uint16] | None:
    """Pixels of a file whose image is one grey frame of unsigned 16-bit words, neither compressed nor rescaled.

    Returns
    -------
    (rows, columns) uint16, or None
        None where the file is anything else; pydicom then decides.
    """
    found = scan(content, _IMAGE.values())
    if found is None or found.syntax not in _NATIVE:
        return None
    known = {name: found.values[tag] for name, tag in _IMAGE.items() if tag in found.values}
    pixels = known.pop("pixels", b"")
    if len(pixels) != 2 * shape[0] * shape[1] or known.keys() & {"intercept", "slope", "frames"}:
        return None
    words = {name: int.from_bytes(value, "little") for name, value in known.items() if len(value) == 2}
    stored = words.get("stored", 0)
    wanted = {"samples": 1, "rows": shape[0], "columns": shape[1], "allocated": 16, "high": stored - 1, "is_signed": 0}
    if not 0 < stored <= 16 or words != {**wanted, "stored": stored}:
        return None
    image = np.frombuffer(pixels, dtype="<u2").reshape(shape)
    # Bits above those stored may hold an overlay.
    return image if stored == 16 else image & np.uint16((1 << stored) - 1)


def _read_syntax(data: bytes) -> tuple[str, int]:
    syntax, at = "", _PREAMBLE
    while at + 8 <= len(data) and data[at : at + 2] == b"\x02\x00":
        tag, begin, length, _ = _element(data, at, is_implicit=False)
        if length == _UNDEFINED or begin + length > len(data):
            raise _NotPlain
        if tag == _TRANSFER_SYNTAX:
            syntax = data[begin : begin + length].decode("latin-1").strip(" \0")
        at = begin + length
    return syntax, at


def _read(data: bytes, at: int, wanted: frozenset[int], syntax: str) -> Scan:
    is_implicit = syntax == _IMPLICIT
    last, before = max(wanted), 0
    values: dict[int, bytes] = {}
    while at + 8 <= len(data):
        tag, begin, length, is_sequence = _element(data, at, is_implicit)
        if tag > last:
            return Scan(values, syntax, is_complete=True)
        if tag <= before or tag >> 16 == _META_GROUP:
            raise _NotPlain
        before = tag
        if length == _UNDEFINED:
            if not is_sequence:
                raise _NotPlain
            at = _skip_sequence(data, begin, is_implicit, 0)
            continue
        at = begin + length
        if at > len(data):
            raise _NotPlain
        if tag in wanted and not is_sequence:
            values[tag] = data[begin:at]
    return Scan(values, syntax, is_complete=False)


def _element(data: bytes, at: int, is_implicit: bool) -> tuple[int, int, int, bool]:
    """Tag, begin of the value, its length, and whether it may be a sequence."""
    group, element = struct.unpack_from("<HH", data, at)
    tag = group << 16 | element
    if is_implicit or group == 0xFFFE:
        (length,) = struct.unpack_from("<I", data, at + 4)
        return tag, at + 8, length, length == _UNDEFINED
    kind = data[at + 4 : at + 6]
    if kind in _SHORT:
        (length,) = struct.unpack_from("<H", data, at + 6)
        return tag, at + 8, length, False
    if kind in _LONG:
        (length,) = struct.unpack_from("<I", data, at + 8)
        return tag, at + 12, length, kind == b"SQ" or (kind == b"UN" and length == _UNDEFINED)
    raise _NotPlain


def _skip_sequence(data: bytes, at: int, is_implicit: bool, depth: int) -> int:
    """The place behind a sequence of undefined length."""
    while depth < _DEEPEST:
        tag, begin, length, _ = _element(data, at, is_implicit)
        if tag == _SEQUENCE_END:
            return begin
        if tag != _ITEM:
            break
        at = begin + length if length != _UNDEFINED else _skip_item(data, begin, is_implicit, depth)
    raise _NotPlain


def _skip_item(data: bytes, at: int, is_implicit: bool, depth: int) -> int:
    while True:
        tag, begin, length, is_sequence = _element(data, at, is_implicit)
        if tag == _ITEM_END:
            return begin
        if length != _UNDEFINED:
            at = begin + length
        elif is_sequence:
            at = _skip_sequence(data, begin, is_implicit, depth + 1)
        else:
            raise _NotPlain
