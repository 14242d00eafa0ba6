"""The DICOM zip: what pydicom and this project's reader make of it."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime

import numpy as np
import pydicom
import pytest

from eccl.errors import Rejected
from eccl.readers.cine.study import open_sax_zip
from eccl.simulate import HeartState
from eccl.simulate.cine.dicom_zip import INLINE_VF_SERIES, StudyHeader, study_members, write_zip
from eccl.simulate.cine.render import Cine, plan_scan
from eccl.simulate.files.corruption import CINE_CORRUPTIONS, write_cine

HEADER = StudyHeader("ANONABCDEFGH", datetime(2015, 8, 30, 10, 2, 3), True, 63, 80.25, 1.756)


@pytest.fixture(scope="module")
def cine(states: list[HeartState]) -> Cine:
    return plan_scan(states[1], np.random.default_rng(2), slices=3, frames=12, matrix=(150, 141)).record()


@pytest.fixture(scope="module")
def archive(cine: Cine) -> bytes:
    return write_cine(cine, HEADER, np.random.default_rng(7), None)


@pytest.fixture(scope="module")
def datasets(archive: bytes) -> list[pydicom.Dataset]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [name for name in opened.namelist() if name.endswith(".dcm")]
        read = [pydicom.dcmread(io.BytesIO(opened.read(name))) for name in names]
    assert [f"{d.SOPInstanceUID}.dcm" for d in read] == names
    return read


def short_axis(datasets: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    return [d for d in datasets if d.SeriesDescription != INLINE_VF_SERIES]


def test_every_element_is_valid(datasets: list[pydicom.Dataset]) -> None:
    # Warnings are errors in this suite: pydicom warns about every value that its VR does not allow.
    for dataset in datasets:
        str(dataset)
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


def test_headers_are_those_of_the_protocol(datasets: list[pydicom.Dataset]) -> None:
    frames = short_axis(datasets)
    assert {d.SeriesDescription for d in frames} == {f"CINE_segmented_SAX_b{n}" for n in (1, 2, 3)}
    assert {(d.SliceThickness, d.SpacingBetweenSlices, d.BitsStored, d.CardiacNumberOfImages) for d in frames} == {
        (8.0, 10.0, 12, 12)
    }
    assert len({d.SOPInstanceUID for d in datasets}) == len(datasets)
    assert {d.PatientID for d in datasets} == {"ANONABCDEFGH"}


def test_pixels_come_back_in_trigger_order(cine: Cine, datasets: list[pydicom.Dataset]) -> None:
    for number in (1, 2, 3):
        series = [d for d in datasets if d.SeriesDescription == f"CINE_segmented_SAX_b{number}"]
        assert [d.InstanceNumber for d in series] != sorted(d.InstanceNumber for d in series), "files are not shuffled"
        series.sort(key=lambda d: d.TriggerTime)
        assert [d.InstanceNumber for d in series] == list(range(1, 13))
        assert [d.TriggerTime for d in series] == pytest.approx([k * cine.rr_ms / 12 for k in range(12)], abs=1e-3)
        assert (np.stack([d.pixel_array for d in series]) == cine.frames[number - 1]).all()


def test_slices_lie_ten_mm_apart_on_their_normal(datasets: list[pydicom.Dataset]) -> None:
    first = {d.SeriesDescription: d for d in short_axis(datasets)}
    planes = [first[f"CINE_segmented_SAX_b{n}"] for n in (1, 2, 3)]
    row, column = np.split(np.array(planes[0].ImageOrientationPatient, dtype=float), 2)
    assert row @ column == pytest.approx(0.0, abs=1e-5)
    step = np.diff([np.array(p.ImagePositionPatient, dtype=float) for p in planes], axis=0)
    assert np.abs(step @ np.cross(row, column)) == pytest.approx(10.0, abs=1e-3)
    assert step[0] @ np.array([1, -1, 0]) > 0, "the apex is to the patient's left and front"
    assert column[2] < 0, "the image's lower edge is towards the feet"


def test_results_with_overlay_are_a_series_of_their_own(datasets: list[pydicom.Dataset]) -> None:
    results = [d for d in datasets if d.SeriesDescription == INLINE_VF_SERIES]
    assert len(results) == 3
    overlay = results[0].overlay_array(0x6000)
    assert overlay.shape == results[0].pixel_array.shape
    assert 20 < overlay.sum() < 400


def test_manifest_has_unquoted_dates(archive: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [name for name in opened.namelist() if name.startswith("manifest.")]
        assert names in (["manifest.csv"], ["manifest.cvs"])
        lines = opened.read(names[0]).decode().splitlines()
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert lines[0] == "filename,patientid,date,seriesid,series discription"
    assert len(lines) == 1 + 3 * 12 + 3
    assert all(re.search(r",Aug 30, 2015,", line) for line in lines[1:])


def test_equal_streams_give_equal_bytes(cine: Cine) -> None:
    def make() -> bytes:
        rng = np.random.default_rng(9)
        return write_zip(study_members(cine, HEADER, rng), HEADER, rng)

    assert make() == make()


@pytest.mark.parametrize(("kind", "expected"), [("none", "accepted"), *CINE_CORRUPTIONS.items()])
def test_the_reader_of_this_project_does_what_is_expected(cine: Cine, kind: str, expected: str) -> None:
    archive = write_cine(cine, HEADER, np.random.default_rng(8), None if kind == "none" else kind)
    try:
        with open_sax_zip(io.BytesIO(archive)) as study:
            frames = [study.read_slice(index) for index in range(study.slice_count)]
            found = "flagged" if study.flags else "accepted"
            repeats = study.repeat_series
    except Rejected as rejected:
        found = f"quarantined:{rejected.reason.value}"
    else:
        assert repeats == (1 if kind == "repeat_series" else 0)
        wrong = [(a != b).any(axis=(1, 2)).sum() for a, b in zip(frames, cine.frames, strict=True)]
        # A lost frame repeats its predecessor; everything else is read as it was drawn.
        assert wrong == ([0, 1, 0] if kind in {"missing_frame", "truncated_member"} else [0, 0, 0])
    assert found == expected
