"""The size a compressed image says it has, read from its first bytes.

Decoders allocate what the codestream asks for, whatever the DICOM header says: a few bytes can ask for gigabytes. So the
two are compared before anything is decoded.
"""

from __future__ import annotations

import struct

_J2K_START = b"\xff\x4f\xff\x51"
_JPEG_START = b"\xff\xd8"
# Frame headers of JPEG and JPEG-LS; C4, C8 and CC are tables and not frames.
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_MAX_MARKERS = 1_000


def image_size(codestream: bytes) -> tuple[int, int] | None:
    """Read rows and columns of a grey JPEG, JPEG-LS or JPEG 2000 image.

    Returns
    -------
    (rows, columns) or None
        None where the bytes are no such image, have several components, or have a header that cannot be followed.
    """
    try:
        if codestream.startswith(_J2K_START):
            return _j2k_size(codestream)
        if codestream.startswith(_JPEG_START):
            return _jpeg_size(codestream)
    except (struct.error, IndexError):  # the header ends before its image does
        return None
    return None


def _j2k_size(codestream: bytes) -> tuple[int, int] | None:
    # behind markers, length and capabilities: the reference grid, the image's and the tiles' places in it, components
    columns, rows, left, top, *_, components = struct.unpack_from(">8IH", codestream, 8)
    return (rows - top, columns - left) if components == 1 and left < columns and top < rows else None


def _jpeg_size(codestream: bytes) -> tuple[int, int] | None:
    place = 2
    for _ in range(_MAX_MARKERS):
        if codestream[place] != 0xFF:
            return None
        marker = codestream[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
        elif marker in _ALONE:
            place += 2
        elif marker in _FRAME_MARKERS:
            rows, columns, components = struct.unpack_from(">2HB", codestream, place + 5)
            return (rows, columns) if components == 1 else None
        else:
            (length,) = struct.unpack_from(">H", codestream, place + 2)
            place += 2 + length
    return None
