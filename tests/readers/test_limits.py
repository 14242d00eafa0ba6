"""Readers reject files above a limit before reading them, and name the parameter to raise."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eccl.errors import Reason, Rejected
from eccl.image.segmentation import read_segmentation, to_segmentation
from eccl.readers.cine.study import ZipLimits, open_sax_zip
from eccl.readers.ecg.cardiosoft import read_ecg_xml
from eccl.readers.tables.dictionary import load_dictionary
from eccl.readers.tables.export import read_table
from eccl.readers.tables.withdrawal_lists import read_withdrawals
from tests.support.sax_fixtures import make_stack, to_zip


def refuse(call: Callable[[], object]) -> Rejected:
    with pytest.raises(Rejected) as caught:
        call()
    return caught.value


def test_large_ecg() -> None:
    error = refuse(lambda: read_ecg_xml(b"<CardiologyXML/>", max_bytes=15))
    assert error.reason is Reason.FILE_TOO_LARGE
    assert "limits.xml_mb" in error.detail
    assert refuse(lambda: read_ecg_xml(b"<CardiologyXML/>", max_bytes=16)).reason is Reason.ECG_UNKNOWN_DIALECT


def test_large_table_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"eid,31-0.0\n9000001,1\n")
    os.truncate(path, 65 << 30)  # a sparse file: it has this size and takes no room
    error = refuse(lambda: read_table(path, load_dictionary()))
    assert error.reason is Reason.FILE_TOO_LARGE
    assert "limits.table_mb" in error.detail


def test_large_withdrawal_list_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w1_20250101.csv"
    path.touch()
    os.truncate(path, 1 << 40)
    assert refuse(lambda: read_withdrawals(path)).reason is Reason.FILE_TOO_LARGE


@pytest.mark.timeout(20)
def test_pipes_are_rejected_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    readers: tuple[Callable[[], object], ...] = (
        lambda: read_table(path, load_dictionary()),
        lambda: read_withdrawals(path),
        lambda: open_sax_zip(path).__enter__(),
    )
    for read in readers:
        assert refuse(read).reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (ZipLimits(max_members=39), "limits.zip_members"),
        (ZipLimits(max_member_bytes=1_000), "limits.zip_member_mb"),
        (ZipLimits(max_total_bytes=40_000), "limits.zip_total_mb"),
        (ZipLimits(max_matrix=23), "limits.image_px"),
    ],
)
def test_refused_zips_name_the_limit(limits: ZipLimits, name: str) -> None:
    error = refuse(lambda: open_sax_zip(to_zip(make_stack()), limits).__enter__())
    assert error.reason is Reason.ZIP_LIMITS
    assert name in error.detail


def test_refused_ratio_names_the_limit() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(5 << 20))
    assert "limits.zip_ratio" in refuse(lambda: open_sax_zip(out).__enter__()).detail


def test_directory_of_a_zip_is_not_read_where_it_is_too_large() -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * 500_000
    out = io.BytesIO(directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(directory), 0, 0))
    tracemalloc.start()
    error = refuse(lambda: open_sax_zip(out).__enter__())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.reason is Reason.ZIP_LIMITS
    assert "limits.zip_members" in error.detail
    assert peak < 1 << 20


def write_nifti(path: Path, shape: tuple[int, ...], code: int = 2, bits: int = 8, body: bytes = b"") -> None:
    """Write a NIfTI-1 header with any shape and type."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *([1] * (7 - len(shape))))
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, *([1.0] * 8))
    struct.pack_into("<f", header, 108, 352.0)
    struct.pack_into("<2f", header, 112, 1.0, 0.0)
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + body))


def test_segmentation_with_a_huge_declared_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.seg_sa.nii.gz"
    write_nifti(path, (8, 6, 2), body=bytes(96))
    assert read_segmentation(path, "bai").labels.shape == (2, 1, 6, 8)
    write_nifti(path, (32_000, 32_000, 100, 50))
    error = refuse(lambda: read_segmentation(path, "bai"))
    assert error.reason is Reason.CINE_GEOMETRY
    assert "voxels" in error.detail


@pytest.mark.parametrize(("code", "bits"), [(32, 64), (128, 24), (2304, 32)], ids=["complex", "rgb", "rgba"])
def test_segmentation_of_colours_or_complex_numbers(tmp_path: Path, code: int, bits: int) -> None:
    path = tmp_path / "a.seg_sa.nii.gz"
    write_nifti(path, (8, 6, 2), code, bits, bytes(96 * bits // 8))
    assert refuse(lambda: read_segmentation(path, "bai")).reason is Reason.CINE_GEOMETRY


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1.0, 0.5, 4.0])
def test_segmentation_values_that_are_no_labels(value: float) -> None:
    labels = np.zeros((4, 4, 2))
    labels[0, 0, 0] = value
    assert refuse(lambda: to_segmentation(labels, "bai")).reason is Reason.CINE_GEOMETRY


def test_broken_segmentation(tmp_path: Path) -> None:
    path = tmp_path / "a.seg_sa.nii.gz"
    for content in (b"", b"hello", gzip.compress(bytes(400)), gzip.compress(bytes(400))[:-9]):
        path.write_bytes(content)
        assert refuse(lambda: read_segmentation(path, "bai")).reason is Reason.UNREADABLE
    write_nifti(path, (8, 6, 2), body=bytes(40))
    assert refuse(lambda: read_segmentation(path, "bai")).reason is Reason.UNREADABLE
