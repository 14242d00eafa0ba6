"""Pixels of single files: the fast path agrees with pydicom; the size of a compressed image is read before decoding."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from eccl.readers.cine.headers import read_elements
from eccl.readers.cine.pixels import image_size, plain_pixels
from tests.support.sax_fixtures import make_stack, to_dataset, to_file

ROWS, DESCRIPTION = 0x00280010, 0x0008103E


def rewritten(syntax: str, *, undefined: bool = False) -> bytes:
    """Write a study's file in another encoding, with a sequence within a sequence in front of the image."""
    dataset = to_dataset(make_stack(1, 10)[0])
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.PurposeOfReferenceCodeSequence = Sequence([inner])
    dataset.ReferencedImageSequence = Sequence([outer, outer])
    if undefined:
        for element in (dataset["ReferencedImageSequence"], outer["PurposeOfReferenceCodeSequence"]):
            element.is_undefined_length = True
    little = syntax != ExplicitVRBigEndian
    if not little:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    dataset.save_as(out, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_elements_and_plain_pixels_equal_those_of_pydicom(syntax: str, undefined: bool) -> None:
    content = rewritten(syntax, undefined=undefined)
    dataset = dcmread(io.BytesIO(content))
    found = read_elements(content, (ROWS, DESCRIPTION))
    assert found is not None
    values, read_syntax, is_complete = found
    assert (read_syntax, is_complete) == (syntax, True)
    assert values[DESCRIPTION].decode().strip() == dataset.SeriesDescription
    assert int.from_bytes(values[ROWS], "little") == dataset.Rows
    pixels = plain_pixels(content, (dataset.Rows, dataset.Columns))
    assert pixels is not None
    assert np.array_equal(pixels, dataset.pixel_array)
    assert plain_pixels(content, (dataset.Rows + 1, dataset.Columns)) is None


def test_other_encodings_and_cut_files_have_no_complete_elements() -> None:
    assert read_elements(rewritten(ExplicitVRBigEndian), (ROWS,)) is None
    plain = rewritten(ExplicitVRLittleEndian)
    assert read_elements(plain[:4] + plain[132:], (ROWS,)) is None  # no preamble
    at = plain.index(b"\x20\x00\x13\x00")
    for end in (at, at + 9):
        found = read_elements(plain[:end], (ROWS,))
        assert found is not None
        assert not found[2]


def test_overlay_bits_are_cleared_and_rescaled_or_signed_pixels_left_to_pydicom() -> None:
    first = to_file(make_stack(1, 10)[0])
    shape = (24, 20)

    def edited(**elements: object) -> bytes:
        dataset = dcmread(io.BytesIO(first))
        for name, value in elements.items():
            setattr(dataset, name, value)
        out = io.BytesIO()
        dataset.save_as(out)
        return out.getvalue()

    overlaid = edited(BitsStored=12, HighBit=11, PixelData=(np.arange(480, dtype="<u2") | 0xF000).tobytes())
    found = plain_pixels(overlaid, shape)
    assert found is not None
    assert np.array_equal(found, dcmread(io.BytesIO(overlaid)).pixel_array)
    assert found.max() < 480
    for elements in (
        {"RescaleSlope": "2", "RescaleIntercept": "0"},
        {"PixelRepresentation": 1},
        {"SamplesPerPixel": 3},
        {"NumberOfFrames": "2"},
        {"BitsStored": 12, "HighBit": 15},
        {"BitsAllocated": 8},
    ):
        assert plain_pixels(edited(**elements), shape) is None, elements


PLAIN = rewritten(ExplicitVRLittleEndian, undefined=True)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(place=st.integers(132, len(PLAIN) - 1), value=st.integers(0, 255), end=st.integers(132, len(PLAIN)))
def test_damage_raises_no_error_and_invents_no_value(place: int, value: int, end: int) -> None:
    damaged = bytearray(PLAIN)
    damaged[place] = value
    content = bytes(damaged[:end])
    plain_pixels(content, (24, 20))
    found = read_elements(content, (ROWS, DESCRIPTION))
    for text in found[0].values() if found else ():
        assert text in content


def encode(kind: str, mode: str = "L", **options: object) -> bytes:
    out = io.BytesIO()
    shape = (40, 56) if mode == "L" else (40, 56, 3)
    image = Image.fromarray(np.arange(np.prod(shape), dtype=np.uint32).astype(np.uint8).reshape(shape), mode)
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        encode("JPEG"),
        encode("JPEG", progressive=True),
        encode("JPEG", exif=b"Exif\0\0" + b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\x01" * 9),
        encode("JPEG2000", no_jp2=True),
    ],
    ids=["baseline", "progressive", "decoy", "jpeg2000"],
)
def test_size_of_an_image(content: bytes) -> None:
    assert image_size(content) == (40, 56)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 5_000,
        b"\xff\xd8" + b"\xff\xd0" * 5_000,
        b"\xff\xd8\xff\xe0\0\0" * 9,
        b"\xff\x4f\xff\x51",
        b"\xff\x4f\xff\x51" + bytes(60),
        encode("JPEG", "RGB"),
        encode("JPEG2000", "RGB", no_jp2=True),
        encode("JPEG2000"),
        encode("PNG"),
        encode("JPEG")[:30],
    ],
)
def test_anything_else_has_no_size(content: bytes) -> None:
    assert image_size(content) is None


def test_size_is_that_of_the_image_and_not_of_its_grid() -> None:
    content = bytearray(encode("JPEG2000", no_jp2=True))
    struct.pack_into(">4I", content, 8, 156, 90, 100, 50)
    assert image_size(bytes(content)) == (40, 56)
