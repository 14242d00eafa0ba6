"""Pixels of one slice, decoded file by file; a frame that is absent or broken repeats its predecessor.

A decoder is only started on an image whose header and codestream agree with what the study's headers said.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from eccl.errors import Reason, Rejected
from eccl.readers.cine.codestream import image_size
from eccl.readers.cine.header_scan import plain_pixels
from eccl.readers.cine.headers import FrameHeader, quiet_pydicom

Pixels = NDArray[Any]

_BITS_ALLOCATED = frozenset({8, 16, 32})
_LARGEST_PIXEL = 1e9

# What decoding needs, and nothing that names a person. Overlay groups (6000 and up) are left unread; overlays in the
# bits above BitsStored are cleared by pydicom.
_PIXEL_TAGS: list[str] = [
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PlanarConfiguration", "RescaleIntercept", "RescaleSlope", "PixelData",
]  # fmt: skip


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
