"""Every trap of the short-axis zip, written with pydicom and read back."""

from __future__ import annotations

import io
import logging
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from eccl.errors import Reason, Rejected
from eccl.readers.cine.study import SaxStudy, open_sax_zip
from tests.support.sax_fixtures import TO_APEX, Frame, make_stack, to_file, to_zip


def of_slice(frames: list[Frame], z: int) -> list[Frame]:
    return [frame for frame in frames if frame.sop_uid.split(".")[-2] == str(z)]


def expected(z: int, t: int, matrix: tuple[int, int] = (24, 20)) -> np.ndarray:
    return (np.arange(matrix[0] * matrix[1]).reshape(matrix) % 7 + 100 * z + t).astype(np.uint16)


def order_of(study: SaxStudy) -> list[int]:
    """Return the slices by the values of their pixels."""
    return [int(study.read_slice(k)[0, 0, 0]) // 100 for k in range(study.slice_count)]


def times_of(study: SaxStudy, index: int) -> list[int]:
    return [int(frame[0, 0]) % 100 for frame in study.read_slice(index)]


def reject(frames: list[Frame], **kwargs: object) -> Rejected:
    with pytest.raises(Rejected) as caught, open_sax_zip(to_zip(frames, **kwargs)):  # type: ignore[arg-type]
        pass
    return caught.value


def test_clean_study_is_described_and_read() -> None:
    with open_sax_zip(to_zip(make_stack())) as study:
        assert (study.slice_count, study.native_frames, study.matrix) == (4, 10, (24, 20))
        assert study.spacing_mm == (1.8, 1.9)
        assert study.slice_step_mm == pytest.approx(10.0, abs=1e-4)
        assert study.cycle_ms == pytest.approx(200.0)
        assert study.acquired_on == date(2015, 8, 30)
        assert study.manufacturer == "SIEMENS Aera"
        assert (study.repeat_series, study.excluded_files, study.unreadable_files, study.ignored_files) == (0, 0, 0, 0)
        assert (study.manifest_status, study.flags) == ("missing", ())
        assert [item.nominal for item in study.slices] == [1, 2, 3, 4]
        assert study.slices[2].series_number == 7
        assert study.slices[0].trigger_ms == tuple(20.0 * t for t in range(10))
        for z in range(4):
            frames = study.read_slice(z)
            assert frames.dtype == np.uint16
            np.testing.assert_array_equal(frames, [expected(z, t) for t in range(10)])
        with pytest.raises(IndexError):
            study.read_slice(4)


def test_path_and_stream_are_the_same(tmp_path: Path) -> None:
    data = to_zip(make_stack())
    path = tmp_path / "9000001_20209_2_0.zip"
    path.write_bytes(data.getvalue())
    with open_sax_zip(path) as a, open_sax_zip(data) as b:
        assert a.slices == b.slices
    assert not data.closed


def test_series_names_are_compared_loosely() -> None:
    frames = [replace(frame, series=(frame.series or "").replace("_", " ").upper()) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        assert [item.nominal for item in study.slices] == [1, 2, 3, 4]


def test_other_series_are_left_out_and_counted() -> None:
    frames = make_stack()
    names = (
        "CINE_segmented_SAX_InlineVF", "Inline_VF_Results", "CINE_segmented_LAX_4Ch", "CINE_segmented_Ao_dist",
        "CINE_segmented_LVOT", "cine_tagging_3sl_SAX_b1s", "flow_250_tp_AoV_bh_ePAT@c_P", "ShMOLLI_192i_SAX_b2s",
    )  # fmt: skip
    others = [
        replace(of_slice(frames, 0)[t], series=name, series_uid=f"1.2.826.0.1.8.{k}", sop_uid=f"1.2.826.0.1.8.{k}.{t}",
                pixels=np.zeros((48, 40), np.uint16))
        for k, name in enumerate(names)
        for t in range(10)
    ]  # fmt: skip
    with open_sax_zip(to_zip(frames + others)) as study:
        assert study.excluded_files == 80
        assert order_of(study) == [0, 1, 2, 3]
        assert study.flags == ()
    assert reject(others).reason is Reason.CINE_NO_SHORT_AXIS


def test_base_is_b1_whatever_the_geometry_says() -> None:
    # The stack planned from the apex: b1 is where the apex usually is.
    frames = [replace(frame, position=tuple(-p for p in frame.position or ())) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        assert order_of(study) == [0, 1, 2, 3]
        assert study.flags == ()


def test_b_numbers_against_positions_are_flagged_and_positions_win() -> None:
    frames = make_stack()
    swap = {1: 2, 2: 1}
    for frame in frames:
        z = int(frame.sop_uid.split(".")[-2])
        frame.series = f"CINE_segmented_SAX_b{swap.get(z, z) + 1}"
    with open_sax_zip(to_zip(frames)) as study:
        assert order_of(study) == [0, 1, 2, 3]
        assert [item.nominal for item in study.slices] == [1, 3, 2, 4]
        assert study.flags == ("slice_order_disagrees",)


def test_b10_comes_after_b9() -> None:
    with open_sax_zip(to_zip(make_stack(slices=11, frames=8))) as study:
        assert [item.nominal for item in study.slices] == list(range(1, 12))


@pytest.mark.parametrize("with_positions", [True, False])
def test_mixed_export_is_split(with_positions: bool) -> None:
    frames = make_stack()
    for frame in frames:
        z, t = (int(part) for part in frame.sop_uid.split(".")[-2:])
        frame.series, frame.series_uid, frame.instance = "CINE_segmented_SAX", "1.2.826.0.1.9", 10 * z + t + 1
        if not with_positions:
            frame.position = frame.orientation = None
    del frames[13]  # a frame of the second slice
    with open_sax_zip(to_zip(frames)) as study:
        assert order_of(study) == [0, 1, 2, 3]
        assert times_of(study, 1) == [0, 1, 2, 2, 4, 5, 6, 7, 8, 9]
        assert [item.missing_frames for item in study.slices] == [0, 1, 0, 0]
        assert "base_end_unknown" in study.flags
        assert ("positions_unusable" in study.flags) is not with_positions


def test_mixed_export_without_anything_to_split_by_is_rejected() -> None:
    frames = [
        replace(frame, series="CINE_segmented_SAX", series_uid="1.2", position=None, cardiac_images=None)
        for frame in make_stack()
    ]
    assert reject(frames).reason is Reason.CINE_HEADER_INCOMPLETE


@pytest.mark.parametrize("name", [None, "", "sBTFE short axis"])
def test_unnamed_stack_is_accepted_by_its_geometry(name: str | None) -> None:
    frames = make_stack()
    for frame in frames:
        frame.series, frame.series_uid = name, "1.2.826.0.1.9"
        frame.position = tuple(np.array([1.0, 2.0, 3.0]) - (np.array(frame.position) - [1.0, 2.0, 3.0]))
    localizer = [replace(frames[10 * z], sop_uid=f"1.2.{z}", series="survey", series_uid="1.3") for z in range(3)]
    with open_sax_zip(to_zip(frames + localizer)) as study:
        # Mirrored positions: by anatomy the base is now at the other end.
        assert order_of(study) == [3, 2, 1, 0]
        assert study.flags == ("base_end_unknown", "series_unnamed")
        assert study.excluded_files == 3


def test_unnamed_files_that_are_no_stack_are_rejected() -> None:
    plane = [replace(frame, series="") for frame in of_slice(make_stack(), 0)]
    assert reject(plane).reason is Reason.CINE_NO_SHORT_AXIS
    still = [replace(frame, series="") for frame in make_stack(slices=12, frames=1)]
    assert reject(still).reason is Reason.CINE_NO_SHORT_AXIS
    ct = [replace(frame, series="", modality="CT") for frame in make_stack()]
    assert reject(ct).reason is Reason.CINE_NO_SHORT_AXIS


def test_frames_follow_trigger_time_and_disagreement_is_flagged() -> None:
    frames = [replace(frame, instance=11 - (frame.instance or 0)) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        assert times_of(study, 1) == list(range(10))
        assert study.flags == ("frame_order_disagrees",)


def test_frames_follow_instance_number_without_trigger_times() -> None:
    frames = [replace(frame, trigger=None, extra={"NominalInterval": 900}) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        assert times_of(study, 2) == list(range(10))
        assert study.flags == ("trigger_times_missing",)
        assert study.cycle_ms == 900.0
    nothing = [replace(frame, trigger=None, instance=None) for frame in make_stack()]
    assert reject(nothing).reason is Reason.CINE_HEADER_INCOMPLETE


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"series_time": "101000"}, {"series_time": "102000"}),
        ({"series_time": None, "extra": {"AcquisitionTime": "095959.5"}},
         {"series_time": None, "extra": {"AcquisitionTime": "100000.25"}}),
        ({"series_time": None, "series_number": 9}, {"series_time": None, "series_number": 10}),
        ({"date": "20150829", "series_time": "235900"}, {"date": "20150830", "series_time": "000100"}),
    ],
)  # fmt: skip
def test_last_acquisition_in_time_is_kept(earlier: dict[str, object], later: dict[str, object]) -> None:
    frames = make_stack()
    second = of_slice(frames, 1)
    # The later one has the smaller UID and comes at positions half a millimetre away.
    again = [
        replace(frame, series_uid="1.1", sop_uid=f"1.1.{t}", pixels=frame.pixels + np.uint16(50), **later)  # type: ignore[arg-type]
        for t, frame in enumerate(second)
    ]
    first = [replace(frame, **earlier) for frame in second]  # type: ignore[arg-type]
    rest = [frame for frame in frames if frame not in second]
    with open_sax_zip(to_zip(rest + first + again)) as study:
        assert study.repeat_series == 1
        assert study.slice_count == 4
        assert times_of(study, 1) == [50 + t for t in range(10)]


def test_aborted_repeat_does_not_replace_a_whole_one() -> None:
    frames = make_stack()
    again = [
        replace(frame, series_uid="1.1", sop_uid=f"1.1.{t}", series_time="120000")
        for t, frame in enumerate(of_slice(frames, 1)[:3])
    ]
    with open_sax_zip(to_zip(frames + again)) as study:
        assert study.slices[1].missing_frames == 0
        assert study.repeat_series == 1
        assert study.flags == ("aborted_repeat_ignored",)


@pytest.mark.parametrize("restart", [True, False])
def test_repeat_inside_one_series_is_split(restart: bool) -> None:
    frames = make_stack()
    again = [
        replace(frame, sop_uid=f"1.9.{t}", instance=t + (1 if restart else 11), trigger=21.0 * t + 0.5,
                pixels=frame.pixels + np.uint16(50), extra={"AcquisitionTime": "120000"})
        for t, frame in enumerate(of_slice(frames, 2))
    ]  # fmt: skip
    first = [replace(frame, extra={"AcquisitionTime": "110000"}) for frame in frames]
    with open_sax_zip(to_zip(first + again)) as study:
        assert study.repeat_series == 1
        assert times_of(study, 2) == [50 + t for t in range(10)]


@pytest.mark.parametrize("gone", [0, 4, 9])
@pytest.mark.parametrize("offset", [0.0, 10.0])
@pytest.mark.parametrize("is_numbered", [True, False])
def test_missing_frame_repeats_its_predecessor(gone: int, offset: float, is_numbered: bool) -> None:
    frames = [replace(frame, trigger=(frame.trigger or 0.0) + offset) for frame in make_stack()]
    for frame in frames:
        frame.instance = frame.instance if is_numbered else None
    lost = of_slice(frames, 2)[gone]
    with open_sax_zip(to_zip([frame for frame in frames if frame is not lost])) as study:
        assert [item.missing_frames for item in study.slices] == [0, 0, 1, 0]
        # The cycle is closed: the frame before the first is the last.
        assert times_of(study, 2) == [(t if t != gone else (gone - 1) % 10) for t in range(10)]
        assert study.slices[2].trigger_ms[gone] is None
        assert study.flags == ("frames_missing",)


def test_whole_study_lacks_a_declared_frame() -> None:
    frames = [frame for frame in make_stack() if frame.instance != 6]
    with open_sax_zip(to_zip(frames)) as study:
        assert study.native_frames == 10
        assert [item.missing_frames for item in study.slices] == [1] * 4
        assert times_of(study, 0) == [0, 1, 2, 3, 4, 4, 6, 7, 8, 9]


def test_wrong_declared_count_is_not_believed() -> None:
    frames = [replace(frame, cardiac_images=25) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        assert study.native_frames == 10
        assert study.flags == ("frame_count_disagrees",)


def test_duplicate_files_are_dropped() -> None:
    frames = make_stack()
    copies = [replace(frame, sop_uid=f"1.7.{t}") for t, frame in enumerate(of_slice(frames, 1)[:3])]
    with open_sax_zip(to_zip(frames + copies)) as study:
        assert times_of(study, 1) == list(range(10))
        assert study.flags == ("duplicate_frames",)
        assert study.repeat_series == 0


def test_undecodable_pixels_count_once_read() -> None:
    frames = make_stack()
    lost = of_slice(frames, 1)[5]
    cut = {"cut.dcm": to_file(lost)[:-200]}  # the header is whole, the pixels are not
    with open_sax_zip(to_zip([frame for frame in frames if frame is not lost], members=cut)) as study:
        assert study.slices[1].missing_frames == 0
        assert times_of(study, 1) == [0, 1, 2, 3, 4, 4, 6, 7, 8, 9]
        assert study.slices[1].missing_frames == 1
        assert study.unreadable_files == 1
        assert study.flags == ("frames_missing", "unreadable_files")
        study.read_slice(1)
        assert study.unreadable_files == 1  # reading twice counts once


def test_slice_without_any_pixels_is_rejected_when_read() -> None:
    def spoil(dataset: Dataset) -> None:
        dataset.compress(RLELossless)
        dataset.PixelData = dataset.PixelData[:-40]

    frames = make_stack()
    for frame in of_slice(frames, 1):
        frame.edit = spoil
    with open_sax_zip(to_zip(frames)) as study:
        study.read_slice(0)
        with pytest.raises(Rejected) as caught:
            study.read_slice(1)
    assert caught.value.reason is Reason.CINE_PIXELS_UNDECODABLE


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pixels_are_decoded(syntax: str) -> None:
    frames = make_stack(slices=2, matrix=(48, 40))
    for frame in of_slice(frames, 1)[:4]:
        frame.edit = lambda dataset: dataset.compress(syntax)
    with open_sax_zip(to_zip(frames)) as study:
        np.testing.assert_array_equal(study.read_slice(1), [expected(1, t, (48, 40)) for t in range(10)])
        assert study.unreadable_files == 0


def test_overlays_are_ignored() -> None:
    def add_overlays(dataset: Dataset) -> None:
        dataset.add_new(0x60000010, "US", 24)
        dataset.add_new(0x60000011, "US", 20)
        dataset.add_new(0x60000100, "US", 1)
        dataset.add_new(0x60003000, "OW", b"\xff" * 60)
        # The old way: a plane in the bits above the twelve stored ones.
        pixels = np.frombuffer(dataset.PixelData, np.uint16) | np.uint16(0xF000)
        dataset.PixelData = pixels.tobytes()

    frames = [replace(frame, edit=add_overlays) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        np.testing.assert_array_equal(study.read_slice(3), [expected(3, t) for t in range(10)])


def test_rescaled_pixels_become_float() -> None:
    frames = make_stack()
    for frame in of_slice(frames, 1):
        frame.extra = {"RescaleSlope": 2.5, "RescaleIntercept": -10.0}
    for frame in of_slice(frames, 2):
        frame.extra = {"RescaleSlope": 1, "RescaleIntercept": 0}
    with open_sax_zip(to_zip(frames)) as study:
        assert study.read_slice(1).dtype == np.float32
        np.testing.assert_allclose(study.read_slice(1)[3], expected(1, 3) * 2.5 - 10)
        assert study.read_slice(2).dtype == np.uint16


def test_signed_pixels_stay_signed() -> None:
    frames = [replace(frame, pixels=frame.pixels.astype(np.int16) - np.int16(300)) for frame in make_stack()]
    with open_sax_zip(to_zip(frames)) as study:
        assert study.read_slice(0).dtype == np.int16
        np.testing.assert_array_equal(study.read_slice(0)[2], expected(0, 2).astype(np.int16) - 300)


def shrink(frames: list[Frame], z: int) -> list[Frame]:
    return [replace(f, pixels=f.pixels[:20]) if f in of_slice(frames, z) else f for f in frames]


def drop_spacing(frames: list[Frame]) -> list[Frame]:
    return [replace(frame, spacing=None) for frame in frames]


def zoom(frames: list[Frame]) -> list[Frame]:
    return [replace(f, spacing=(1.2, 1.2)) if f in of_slice(frames, 2) else f for f in frames]


def enhance(frames: list[Frame]) -> list[Frame]:
    def edit(dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
        dataset.NumberOfFrames = 1

    return [replace(frame, edit=edit) for frame in frames]


def enlarge(frames: list[Frame]) -> list[Frame]:
    return [replace(frame, pixels=np.zeros((1040, 8), np.uint16)) for frame in frames]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda frames: shrink(frames, 2), Reason.CINE_MIXED_MATRIX),
        (drop_spacing, Reason.CINE_HEADER_INCOMPLETE),
        (zoom, Reason.CINE_GEOMETRY),
        (enhance, Reason.CINE_ENHANCED_MULTIFRAME),
        (enlarge, Reason.ZIP_LIMITS),
        (lambda frames: frames[:10], Reason.CINE_TOO_FEW_SLICES),
        (lambda frames: [replace(f, cardiac_images=5) for f in frames if (f.instance or 9) < 6],
         Reason.CINE_TOO_FEW_FRAMES),
        (lambda frames: [], Reason.CINE_NO_DICOM),
    ],
)  # fmt: skip
def test_studies_that_cannot_become_data_are_rejected(
    change: Callable[[list[Frame]], list[Frame]], reason: Reason
) -> None:
    error = reject(change(make_stack()))
    assert error.reason is reason
    assert "900000" not in str(error)
    assert "1.2.826" not in str(error)


def test_other_matrix_in_a_superseded_repeat_is_no_matter() -> None:
    frames = make_stack()
    earlier = [
        replace(frame, series_uid="1.1", sop_uid=f"1.1.{t}", series_time="090000", pixels=frame.pixels[:20])
        for t, frame in enumerate(of_slice(frames, 1))
    ]
    with open_sax_zip(to_zip(frames + earlier)) as study:
        assert study.matrix == (24, 20)
        assert study.repeat_series == 1


def test_missing_slice_and_tilted_plane_are_flagged() -> None:
    frames = make_stack(slices=5)
    with open_sax_zip(to_zip([frame for frame in frames if frame not in of_slice(frames, 2)])) as study:
        assert study.flags == ("slice_step_irregular",)
    for frame in of_slice(frames, 4):
        frame.orientation = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    with open_sax_zip(to_zip(frames)) as study:
        assert "planes_not_parallel" in study.flags


@pytest.mark.parametrize(
    ("text", "day"),
    [("20150830", date(2015, 8, 30)), ("30-Aug-2015 12:01:02", date(2015, 8, 30)), ("20150800", None), (None, None)],
)
def test_acquisition_date(text: str | None, day: date | None) -> None:
    frames = [replace(frame, date=text) for frame in make_stack(slices=2)]
    with open_sax_zip(to_zip(frames)) as study:
        assert study.acquired_on == day


def test_members_that_are_no_images_are_counted() -> None:
    members = {
        "contours/IM-0001-0012-icontour-manual.txt": b"139.00 116.50\n" * 40,
        "__MACOSX/._a.txt": b"\0" * 300,
        "empty.dcm": b"",
        "cut.dcm": to_file(make_stack()[0])[:400],
        "noise.dcm": bytes(range(256)) * 4,
        "folder/": b"",
    }
    with open_sax_zip(to_zip(make_stack(), members=members)) as study:
        assert study.ignored_files == 2
        assert study.unreadable_files == 3
        assert study.flags == ("unreadable_files",)
        assert order_of(study) == [0, 1, 2, 3]


def test_only_broken_files_is_no_dicom() -> None:
    error = reject([], members={f"{k}.dcm": b"DICM" * 100 for k in range(3)})
    assert error.reason is Reason.CINE_NO_DICOM
    assert "3 broken" in error.detail


def test_nothing_of_a_person_is_logged_or_warned(caplog: pytest.LogCaptureFixture) -> None:
    def odd(dataset: Dataset) -> None:
        dataset.PatientBirthDate = "00000000"
        dataset.StudyInstanceUID = "1.2.09"

    def spoil(dataset: Dataset) -> None:
        odd(dataset)
        dataset.compress(JPEG2000Lossless)
        dataset.PixelData = dataset.PixelData[:80] + bytes(len(dataset.PixelData) - 80)

    frames = [replace(frame, edit=odd) for frame in make_stack(matrix=(48, 40))]
    frames[3].edit = spoil
    source = to_zip(frames)
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_sax_zip(source) as study:
            study.read_slice(0)
            assert study.unreadable_files == 1
    assert caplog.records == []
    assert caught == []


def test_damaged_bytes_end_in_a_typed_rejection_or_a_study() -> None:
    frames = make_stack(slices=3, frames=8, matrix=(8, 6))
    whole = to_zip(frames).getvalue()
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for frame in frames:
            archive.writestr(f"{frame.sop_uid}.dcm", to_file(frame))
    outcomes = set()
    rng = np.random.default_rng(5)
    for trial in range(120):
        data = bytearray(stored.getvalue() if trial % 2 else whole)
        if trial % 3 == 0:
            del data[int(rng.integers(1, len(data))) :]
        for _ in range(int(rng.integers(1, 60))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            with open_sax_zip(io.BytesIO(bytes(data))) as study:
                for k in range(study.slice_count):
                    study.read_slice(k)
                outcomes.add("study")
        except Rejected as error:
            outcomes.add(error.reason)
    assert "study" in outcomes
    assert Reason.ZIP_MALFORMED in outcomes


def test_position_is_along_the_stack() -> None:
    with open_sax_zip(to_zip(make_stack())) as study:
        places = [item.position_mm or 0.0 for item in study.slices]
    assert np.abs(np.diff(places)) == pytest.approx(10.0, abs=1e-4)
    assert np.linalg.norm(TO_APEX) == pytest.approx(1.0)
