"""Pixels of one slice, decoded file by file; a frame that is absent or broken repeats its predecessor.

A decoder is only started on an image whose header and codestream agree with the study's headers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from eccl.errors import Reason, Rejected
from eccl.readers.cine.headers import FrameHeader, quiet_pydicom, read_elements

Pixels = NDArray[Any]

# Frame headers of JPEG and JPEG-LS; C4, C8 and CC are tables and not frames.
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MAX_MARKERS = 1_000
_BITS_ALLOCATED = frozenset({8, 16, 32})
_LARGEST_PIXEL = 1e9

# What decoding needs, and nothing that names a person. Overlay groups (6000 and up) are left unread; overlays in the
# bits above BitsStored are cleared by pydicom.
_PIXEL_TAGS: list[str] = [
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PlanarConfiguration", "RescaleIntercept", "RescaleSlope", "PixelData",
]  # fmt: skip
_PLAIN = {
    "samples": 0x00280002, "frames": 0x00280008, "rows": 0x00280010, "columns": 0x00280011, "allocated": 0x00280100,
    "stored": 0x00280101, "high": 0x00280102, "is_signed": 0x00280103, "intercept": 0x00281052, "slope": 0x00281053,
    "pixels": 0x7FE00010,
}  # fmt: skip


def read_frames(
    archive: ZipFile, members: Sequence[ZipInfo], slots: Sequence[FrameHeader | None], shape: tuple[int, int]
) -> tuple[Pixels, int]:
    """Decode one slice.

    Parameters
    ----------
    archive, members
        The open zip and its directory.
    slots
        The slice's files in order of time, None where one is missing.
    shape
        Rows and columns every frame must have.

    Returns
    -------
    frames : (len(slots), rows, columns)
        int16 or uint16 as stored; float32 where a file carries a RescaleSlope or RescaleIntercept that is not the
        identity, or pixels wider than 16 bits. A gap repeats the frame before it; the cycle is closed, so the first
        frame's predecessor is the last.
    undecodable
        How many present files could not be decoded.

    Raises
    ------
    Rejected
        ``cine_pixels_undecodable`` where no frame of the slice could be decoded.
    """
    decoded: list[Pixels | None] = []
    with quiet_pydicom():
        for header in slots:
            decoded.append(None if header is None else _decode(archive, members[header.member], shape))
    present = [frame for frame in decoded if frame is not None]
    undecodable = sum(header is not None for header in slots) - len(present)
    if not present:
        raise Rejected(
            Reason.CINE_PIXELS_UNDECODABLE,
            f"none of {undecodable} frames of a slice could be decoded to {shape[0]} x {shape[1]} pixels",
        )
    frames = np.empty((len(slots), *shape), dtype=_shared_dtype(present))
    previous = present[-1]
    for index, frame in enumerate(decoded):
        previous = previous if frame is None else frame
        frames[index] = previous
    return frames, undecodable


def _decode(archive: ZipFile, info: ZipInfo, shape: tuple[int, int]) -> Pixels | None:
    try:
        content = archive.read(info)
        if (plain := plain_pixels(content, shape)) is not None:
            return plain
        dataset = dcmread(BytesIO(content), force=True, specific_tags=_PIXEL_TAGS)
        if not _is_one_image(dataset, shape):
            return None
        if dataset.file_meta.TransferSyntaxUID == RLELossless:
            dataset.pixel_array_options(decoding_plugin="pydicom")  # the native one panics on damaged runs
        pixels = np.asarray(dataset.pixel_array)
        if pixels.shape != shape:
            return None
        slope, intercept = (float(dataset.get(name) or 0.0) for name in ("RescaleSlope", "RescaleIntercept"))
    # A damaged codestream can fail in any decoder in any way; the frame then counts as missing.
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # a panic of a decoder written in Rust is no Exception
        return None
    if slope not in (0.0, 1.0) or intercept != 0.0:
        pixels = (pixels * np.float32(slope or 1.0) + np.float32(intercept)).astype(np.float32)
    if pixels.dtype.kind == "f" and not np.abs(pixels).max() <= _LARGEST_PIXEL:  # also where it is no number
        return None
    return pixels


def plain_pixels(content: bytes, shape: tuple[int, int]) -> NDArray[np.uint16] | None:
    """Read the pixels of a file whose image is one grey frame of unsigned 16-bit words, not compressed, not rescaled.

    Nearly all files of field 20209 are of this kind; pydicom's own decoding would take longer than inflating them.

    Returns
    -------
    (rows, columns) uint16, or None
        None for any other file; pydicom then decodes it.
    """
    found = read_elements(content, _PLAIN.values())
    if found is None or found[1] not in {ExplicitVRLittleEndian, ImplicitVRLittleEndian}:
        return None
    values = {name: found[0][tag] for name, tag in _PLAIN.items() if tag in found[0]}
    pixels = values.pop("pixels", b"")
    if len(pixels) != 2 * shape[0] * shape[1] or values.keys() & {"intercept", "slope", "frames"}:
        return None
    words = {name: int.from_bytes(value, "little") for name, value in values.items() if len(value) == 2}
    stored = words.get("stored", 0)
    plain = {"samples": 1, "rows": shape[0], "columns": shape[1], "allocated": 16, "high": stored - 1, "is_signed": 0}
    if not 0 < stored <= 16 or words != {**plain, "stored": stored}:
        return None
    image = np.frombuffer(pixels, dtype="<u2").reshape(shape)
    # Bits above those stored may hold an overlay.
    return image if stored == 16 else image & np.uint16((1 << stored) - 1)


def _is_one_image(dataset: Dataset, shape: tuple[int, int]) -> bool:
    """Whether decoding gives one grey image of this shape; a later element may contradict the header read first."""
    if (dataset.Rows, dataset.Columns) != shape or dataset.BitsAllocated not in _BITS_ALLOCATED:
        return False
    if int(dataset.get("NumberOfFrames") or 1) != 1 or int(dataset.get("SamplesPerPixel") or 1) != 1:
        return False
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax == RLELossless:
        return True
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1), b"")
    return image_size(frame) == shape


def _shared_dtype(frames: Sequence[Pixels]) -> np.dtype[Any]:
    common = np.result_type(*(frame.dtype for frame in frames))
    if common.kind == "u" and common.itemsize <= 2:
        return np.dtype(np.uint16)
    if common.kind == "i" and common.itemsize <= 2:
        return np.dtype(np.int16)
    return np.dtype(np.float32)


def image_size(codestream: bytes) -> tuple[int, int] | None:
    """Read rows and columns of a grey JPEG, JPEG-LS or JPEG 2000 image from its first bytes.

    Decoders allocate what the codestream declares, whatever the DICOM header holds: a few bytes can claim gigabytes.

    Returns
    -------
    (rows, columns) or None
        None where the bytes are no such image, have several components, or have a header that cannot be followed.
    """
    try:
        if codestream.startswith(b"\xff\x4f\xff\x51"):
            return _j2k_size(codestream)
        if codestream.startswith(b"\xff\xd8"):
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
        elif marker in _MARKERS_WITHOUT_LENGTH:
            place += 2
        elif marker in _FRAME_MARKERS:
            rows, columns, components = struct.unpack_from(">2HB", codestream, place + 5)
            return (rows, columns) if components == 1 else None
        else:
            (length,) = struct.unpack_from(">H", codestream, place + 2)
            place += 2 + length
    return None
