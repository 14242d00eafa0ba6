"""Real DICOM files: the Sunnybrook study through the general path, and three unusual files that must be rejected with a reason."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import MRImageStorage

from eccl.errors import Reason, Rejected
from eccl.readers.cine.study import SaxStudy, open_sax_zip
from tests.support.paths import SAMPLES, SUNNYBROOK_SLICES, SUNNYBROOK_STUDY, needs

EDGE = SAMPLES / "dicom_edge"

needs_edge = needs(EDGE)


@needs(SUNNYBROOK_STUDY)
def test_sunnybrook_is_a_stack_from_the_base() -> None:
    with open_sax_zip(SUNNYBROOK_STUDY) as study:
        _check_headers(study)
        assert study.slice_count == 12
        assert study.ignored_files == 27  # contours
        # Contours of the LV start at the third slice and end before the last: base first.
        assert [item.missing_frames for item in study.slices] == [0] * 12


def test_three_slices_of_sunnybrook_are_a_stack() -> None:
    with open_sax_zip(SUNNYBROOK_SLICES) as study:
        _check_headers(study)
        assert study.slice_count == 3
        assert study.ignored_files == 9  # contours
        assert [item.missing_frames for item in study.slices] == [0] * 3


def _check_headers(study: SaxStudy) -> None:
    assert (study.native_frames, study.matrix) == (20, (256, 256))
    assert study.spacing_mm == pytest.approx((1.367188, 1.367188))
    assert study.slice_step_mm == pytest.approx(10.0, abs=1e-3)
    assert study.cycle_ms == pytest.approx(750, abs=50)
    assert study.acquired_on is None  # the de-identified date is 20120000
    assert study.manufacturer == "GE MEDICAL SYSTEMS SIGNA HDx"
    assert study.flags == ("base_end_unknown", "series_unnamed")
    assert study.manifest_status == "missing"


@pytest.mark.parametrize(
    ("path", "first", "index"),
    [
        *((SUNNYBROOK_SLICES, 7, index) for index in (0, 1, 2)),
        *(pytest.param(SUNNYBROOK_STUDY, 0, index, marks=needs(SUNNYBROOK_STUDY)) for index in (0, 6, 11)),
    ],
)
def test_sunnybrook_pixels_are_those_of_the_files(path: Path, first: int, index: int) -> None:
    with open_sax_zip(path) as study:
        frames = study.read_slice(index)
    assert frames.dtype == np.int16
    with zipfile.ZipFile(path) as archive:
        for t in range(20):
            dataset = dcmread(archive.open(f"{20 * (first + index) + t + 1}.dcm"))
            stored = np.frombuffer(dataset.PixelData, "<i2").reshape(256, 256)
            np.testing.assert_array_equal(frames[t], stored)


def wrap(*files: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for k, data in enumerate(files):
            archive.writestr(f"{k}.dcm", data)
    out.seek(0)
    return out


@needs_edge
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MR-SIEMENS-DICOM-WithOverlays", Reason.CINE_NO_SHORT_AXIS),
        ("bad_sequence", Reason.CINE_NO_SHORT_AXIS),
        ("emri_small", Reason.CINE_ENHANCED_MULTIFRAME),
    ],
)
def test_edge_files_end_in_typed_rejections(name: str, reason: Reason) -> None:
    data = (EDGE / f"{name}.dcm").read_bytes()
    for source in (wrap(data), wrap(data, data)):
        with pytest.raises(Rejected) as caught, open_sax_zip(source):
            pass
        assert caught.value.reason is reason
    for cut in (200, 2_000, len(data) // 2):
        with pytest.raises(Rejected), open_sax_zip(wrap(data[:cut])):
            pass


@needs_edge
def test_real_overlay_stays_out_of_the_pixels() -> None:
    path = EDGE / "MR-SIEMENS-DICOM-WithOverlays.dcm"
    files = []
    for z in range(3):
        for t in range(8):
            dataset = dcmread(path)
            dataset.SeriesDescription = f"CINE_segmented_SAX_b{z + 1}"
            dataset.SeriesInstanceUID = f"1.2.{z}"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{z}.{t}"
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
            dataset.ImagePositionPatient = [0, 0, 8 * z]
            dataset.InstanceNumber, dataset.TriggerTime = t + 1, 30 * t
            out = io.BytesIO()
            dataset.save_as(out)
            files.append(out.getvalue())
    with open_sax_zip(wrap(*files)) as study:
        frames = study.read_slice(1)
    np.testing.assert_array_equal(frames[3], dcmread(path).pixel_array)
