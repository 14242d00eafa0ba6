"""The quick look at plain files says what pydicom says, or leaves the file to it."""

from __future__ import annotations

import io
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from eccl.readers.cine.header_scan import plain_pixels, scan
from tests.readers.cine.test_real_files import STUDY, needs_study
from tests.support.sax_fixtures import make_stack, to_dataset, to_file

WANTED = {"Modality": 0x00080060, "SeriesDescription": 0x0008103E, "InstanceNumber": 0x00200013, "Rows": 0x00280010}


def rewritten(syntax: str, *, undefined: bool = False) -> bytes:
    """A study's file in another encoding, with a sequence within a sequence in front of the image."""
    dataset = to_dataset(make_stack(1, 10)[0])
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.PurposeOfReferenceCodeSequence = Sequence([inner])
    dataset.ReferencedImageSequence = Sequence([outer, outer])
    if undefined:
        for element in (dataset["ReferencedImageSequence"], outer["PurposeOfReferenceCodeSequence"]):
            element.is_undefined_length = True
        for item in (outer, inner):
            item.is_undefined_length_sequence_item = True
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    little = syntax != ExplicitVRBigEndian
    dataset.save_as(out, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_values_and_pixels_are_those_of_pydicom(syntax: str, undefined: bool) -> None:
    content = rewritten(syntax, undefined=undefined)
    dataset = dcmread(io.BytesIO(content))
    found = scan(content, WANTED.values())
    assert found is not None
    assert found.is_complete
    assert found.syntax == syntax
    assert found.values[WANTED["Modality"]] == b"MR"
    assert found.values[WANTED["SeriesDescription"]].decode().strip() == dataset.SeriesDescription
    assert int.from_bytes(found.values[WANTED["Rows"]], "little") == dataset.Rows
    pixels = plain_pixels(content, (dataset.Rows, dataset.Columns))
    assert pixels is not None
    assert np.array_equal(pixels, dataset.pixel_array)
    assert plain_pixels(content, (dataset.Rows + 1, dataset.Columns)) is None


def test_what_is_not_plain_is_left_to_pydicom() -> None:
    big = rewritten(ExplicitVRBigEndian)
    assert scan(big, WANTED.values()) is None
    plain = rewritten(ExplicitVRLittleEndian)
    assert scan(plain[:4] + plain[132:], WANTED.values()) is None  # no preamble
    at = plain.index(b"\x20\x00\x13\x00")
    assert scan(plain[: at + 9], WANTED.values()) is None  # cut within an element
    cut = scan(plain[:at], WANTED.values())
    assert cut is not None
    assert not cut.is_complete


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


@needs_study
def test_real_headers_agree() -> None:
    with zipfile.ZipFile(STUDY) as study:
        files = [study.read(info) for info in study.infolist() if info.filename.endswith(".dcm")]
    for content in files[::7]:
        dataset = dcmread(io.BytesIO(content), stop_before_pixels=True)
        found = scan(content, WANTED.values())
        assert found is not None
        assert int.from_bytes(found.values[WANTED["Rows"]], "little") == dataset.Rows
        assert int(found.values[WANTED["InstanceNumber"]]) == dataset.InstanceNumber


PLAIN = rewritten(ExplicitVRLittleEndian, undefined=True)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(place=st.integers(132, len(PLAIN) - 1), value=st.integers(0, 255), end=st.integers(132, len(PLAIN)))
def test_damage_never_raises_and_never_invents_a_value(place: int, value: int, end: int) -> None:
    damaged = bytearray(PLAIN)
    damaged[place] = value
    content = bytes(damaged[:end])
    found = scan(content, WANTED.values())
    plain_pixels(content, (24, 20))
    if found is None:
        return
    for text in found.values.values():
        assert text in content
    if found.is_complete and end == len(PLAIN):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = dcmread(io.BytesIO(content), force=True)
        rows = found.values.get(WANTED["Rows"])
        if rows is not None and len(rows) == 2:
            assert int.from_bytes(rows, "little") == theirs.get("Rows")
