"""Traps of short-axis studies: sections B1, B2 and B3 of the fact sheet."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from eccl.errors import Reason
from eccl.simulate.cine.dicom_zip import Member, compress_member
from tests.dirty.cases import Case, accepted, flagged, quarantined, repaired
from tests.support.sax_fixtures import Frame, make_stack, to_file, to_manifest

SLICES, FRAMES, MATRIX = 3, 12, (48, 40)
MIDDLE = 1  # the slice that is stored
Frames = list[Frame]
NamedFile = tuple[str, bytes]


def clean_study() -> Frames:
    """Three slices of a disc that beats, twelve frames each; spacing of rows and columns differs."""
    frames = make_stack(SLICES, FRAMES, MATRIX)
    y, x = np.mgrid[: MATRIX[0], : MATRIX[1]]
    distance = np.hypot(y - 24, x - 20)
    for frame in frames:
        radius = 6 + 3 * np.cos(2 * np.pi * ((frame.instance or 1) - 1) / FRAMES)
        frame.pixels = (60 + 200 * (distance < radius) + (x + y) % 3).astype(np.uint16)
    return frames


def dicoms(frames: Iterable[Frame]) -> list[NamedFile]:
    """Files of a study."""
    return [(f"{frame.sop_uid}.dcm", _to_file(frame)) for frame in frames]


# Frames are distinguished by identity: those that a trap leaves alone are written once.
_to_file = cache(to_file)


def pack(files: Iterable[NamedFile], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files, in this order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method, 1)
    return out.getvalue()


def study(change: Callable[[Frames], Frames]) -> Callable[[Frames], bytes]:
    """A study after a change of its frames, with a manifest that agrees."""

    def make(frames: Frames) -> bytes:
        changed = change(frames)
        shuffled = [changed[k] for k in np.random.default_rng(3).permutation(len(changed))]
        return pack([*dicoms(shuffled), ("manifest.csv", to_manifest(changed).encode())])

    return make


def each(**changes: object) -> Callable[[Frames], bytes]:
    """The same change of every frame."""
    return study(lambda frames: [replace(frame, **changes) for frame in frames])  # type: ignore[arg-type]


def middle(change: Callable[[Frames], Frames]) -> Callable[[Frames], bytes]:
    """A change of the stored slice."""
    first, last = MIDDLE * FRAMES, (MIDDLE + 1) * FRAMES
    return study(lambda frames: frames[:first] + change(frames[first:last]) + frames[last:])


def manifested(edit: Callable[[str], str], *names: str) -> Callable[[Frames], bytes]:
    """A study with its manifest, edited, under some names."""

    def make(frames: Frames) -> bytes:
        text = edit(to_manifest(frames)).encode()
        return pack([*dicoms(frames), *((name, text) for name in names)])

    return make


def with_files(*files: NamedFile) -> Callable[[Frames], bytes]:
    """A study without manifest and with further files."""
    return lambda frames: pack([*dicoms(frames), *files])


def recoded(change: Callable[[int, NamedFile], NamedFile]) -> Callable[[Frames], bytes]:
    """A study whose files are changed one by one; the number counts files."""
    return lambda frames: pack([change(number, file) for number, file in enumerate(dicoms(frames))])


def compressed(syntax: str) -> Callable[[Frames], bytes]:
    def change(number: int, file: NamedFile) -> NamedFile:
        name, data = file
        return name, compress_member(Member(name, "", "", data), syntax).data

    return recoded(change)


def cut(frames_cut: int) -> Callable[[Frames], bytes]:
    """Cut the first files of the stored slice in their pixels."""
    broken = range(MIDDLE * FRAMES, MIDDLE * FRAMES + frames_cut)
    return recoded(lambda number, file: (file[0], file[1][:-700]) if number in broken else file)


def garbled(frames_garbled: int) -> Callable[[Frames], bytes]:
    """Files of the stored slice whose headers read and whose pixels do not decode."""

    def change(number: int, file: NamedFile) -> NamedFile:
        name, data = file
        if not MIDDLE * FRAMES <= number < MIDDLE * FRAMES + frames_garbled:
            return file
        packed = compress_member(Member(name, "", "", data), JPEG2000Lossless).data
        place = packed.index(b"\xff\x4f\xff\x51")
        return name, packed[: place + 60] + bytes(len(packed) - place - 60)

    return recoded(change)


def named(pattern: str) -> Callable[[Frames], bytes]:
    """Another SeriesDescription; `{}` stands for the slice."""
    return study(
        lambda frames: [replace(f, series=pattern.format((f.series or "").rpartition("b")[2])) for f in frames]
    )


def beside(series: str, **changes: object) -> Callable[[Frames], bytes]:
    """A study and a few files of another series."""
    return study(
        lambda frames: [
            *frames,
            *(
                replace(f, series=series, series_uid="1.2.826.0.1.9.99", sop_uid=f"{f.sop_uid}.9", **changes)  # type: ignore[arg-type]
                for f in frames[:3]
            ),
        ]
    )


def repeat(uid: str, time: str | None, pixels: int, **changes: object) -> Callable[[Frames], Frames]:
    """The slice once more, brighter by `pixels`."""

    def change(frames: Frames) -> Frames:
        again = [
            replace(
                frame,
                series_uid=uid,
                sop_uid=f"{frame.sop_uid}.7",
                series_time=time,
                pixels=(frame.pixels + pixels).astype(np.uint16),
                **changes,  # type: ignore[arg-type]
            )
            for frame in frames
        ]
        return frames + again

    return change


def overlay(dataset: Dataset) -> None:
    dataset.add_new(0x60000010, "US", MATRIX[0])
    dataset.add_new(0x60000011, "US", MATRIX[1])
    dataset.add_new(0x60000040, "CS", "G")
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", b"\xff" * (MATRIX[0] * MATRIX[1] // 8))


def enhanced(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"


def mixed(with_positions: bool) -> Callable[[Frames], bytes]:
    """All slices in one series, as in early exports."""

    def change(frames: Frames) -> Frames:
        return [
            replace(
                frame,
                series="CINE_segmented_SAX",
                series_uid="1.2.826.0.1.9.50",
                instance=number + 1,
                position=frame.position if with_positions else None,
                orientation=frame.orientation if with_positions else None,
            )
            for number, frame in enumerate(frames)
        ]

    return study(change)


def reversed_names(frames: Frames) -> Frames:
    """The b numbers of the first two slices change places, their positions do not."""
    swapped = {"CINE_segmented_SAX_b1": "CINE_segmented_SAX_b2", "CINE_segmented_SAX_b2": "CINE_segmented_SAX_b1"}
    return [replace(frame, series=swapped.get(frame.series or "", frame.series)) for frame in frames]


def other_matrix(frames: Frames) -> Frames:
    return [replace(frame, pixels=frame.pixels[:, :-4].copy()) for frame in frames]


def bare_numbers(frames: Frames) -> Frames:
    return [replace(f, instance=FRAMES + 1 - (f.instance or 0)) for f in frames]


def gapped(frames: Frames) -> Frames:
    """Slices b1, b2, b5, the last 30 mm farther."""
    moved = []
    for f in frames:
        if f.series == "CINE_segmented_SAX_b3" and f.position is not None:
            step = np.array(frames[-1].position) - np.array(frames[FRAMES].position)
            f = replace(f, series="CINE_segmented_SAX_b5", position=tuple(np.array(f.position) + 3 * step))
        moved.append(f)
    return moved


CASES: tuple[Case, ...] = (
    # B1: the zip and its manifest
    Case("clean", "B1", "a study as it should be", study(list), accepted(manifest_status="agrees", slice_count=3)),
    Case("cvs", "B1", "a manifest called manifest.cvs", manifested(str, "manifest.cvs"),
         accepted(manifest_status="agrees")),
    Case("comma_date", "B1", "a date with a comma adds a column to the manifest", manifested(str, "manifest.csv"),
         accepted(manifest_status="agrees")),
    Case("quoted_date", "B1", "the same date in quotes", manifested(
        lambda text: text.replace("Aug 30, 2015", '"Aug 30, 2015"'), "manifest.csv"), accepted(manifest_status="agrees")),
    Case("bad_rows", "B1", "rows of the manifest with cells too many", manifested(
        lambda text: text + "a.dcm,b,c,d,e,f,g\n", "manifest.csv"), accepted(manifest_status="agrees")),
    Case("lying_manifest", "B1", "a manifest that names other series", manifested(
        lambda text: text.replace("SAX_b2", "LAX_2Ch"), "manifest.csv"), accepted(manifest_status="differs")),
    Case("no_manifest", "B1", "no manifest", manifested(str), accepted(manifest_status="missing")),
    Case("two_manifests", "B1", "several manifests", manifested(str, "manifest.csv", "manifest_1.csv"),
         accepted(manifest_status="agrees")),
    Case("broken_manifest", "B1", "a manifest without its columns", manifested(lambda text: "a,b\n1,2\n", "manifest.csv"),
         accepted(manifest_status="unreadable")),
    Case("spelled_date", "B1", "dates written 30-Aug-2015 12:00:00", each(date="30-Aug-2015 12:00:00"), accepted()),
    Case("folders", "B1", "files in folders", lambda frames: pack(
        [(f"study/{name}", data) for name, data in dicoms(frames)]), accepted(manifest_status="missing")),
    Case("other_files", "B1", "contours, pictures and texts among the files", with_files(
        ("notes.txt", b"hello"), ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(40)), ("contour.cvi42wsx", b"<a/>")),
        accepted()),
    Case("not_zip", "B1", "an error page under the file's name", lambda frames: b"<html>502</html>" * 30,
         quarantined(Reason.ZIP_MALFORMED)),
    Case("cut_zip", "B1", "the download broke off", lambda frames: pack(dicoms(frames))[:-100],
         quarantined(Reason.ZIP_MALFORMED)),
    Case("empty_file", "B1", "no bytes", lambda frames: b"", quarantined(Reason.EMPTY_FILE)),
    Case("empty_zip", "B1", "a zip without files", lambda frames: pack([]), quarantined(Reason.CINE_NO_DICOM)),
    Case("no_dicom", "B1", "a zip without DICOM files", lambda frames: pack([("a.txt", b"hello")]),
         quarantined(Reason.CINE_NO_DICOM)),
    # B2: series
    Case("mixed", "B2", "all slices in one series, with positions", mixed(True), flagged("base_end_unknown")),
    Case("mixed_bare", "B2", "all slices in one series, without positions", mixed(False),
         flagged("base_end_unknown", "positions_unusable")),
    Case("name_case", "B2", "blanks and capitals in the series' names", named("Cine Segmented SAX b{}"), accepted()),
    Case("inline_vf", "B2", "results with overlays beside the study", beside("CINE_segmented_SAX_InlineVF", edit=overlay),
         accepted(excluded_files=3)),
    Case("long_axis", "B2", "long-axis files beside the study", beside("CINE_segmented_LAX_2Ch"),
         accepted(excluded_files=3)),
    Case("only_inline_vf", "B2", "nothing but results with overlays", named("CINE_segmented_SAX_InlineVF"),
         quarantined(Reason.CINE_NO_SHORT_AXIS)),
    Case("only_long_axis", "B2", "a study of another field", named("CINE_segmented_LAX_4Ch"),
         quarantined(Reason.CINE_NO_SHORT_AXIS)),
    Case("tagging", "B2", "a tagging study", named("cine_tagging_3sl_SAX_b{}s"), quarantined(Reason.CINE_NO_SHORT_AXIS)),
    Case("unnamed", "B2", "series without names, a stack by their geometry", each(series=None),
         flagged("base_end_unknown", "series_unnamed")),
    Case("frames", "B2", "another number of frames than 50", study(list), accepted(native_frames=12, is_resampled=True)),
    Case("matrix", "B2", "another matrix than other studies", study(other_matrix),
         accepted(matrix_rows=48, matrix_columns=36)),
    Case("jpeg2000", "B2", "frames compressed as JPEG 2000", compressed(JPEG2000Lossless), accepted(missing_frames=0)),
    Case("rle", "B2", "frames compressed as RLE", compressed(RLELossless), accepted(missing_frames=0)),
    Case("overlay", "B2", "an overlay in the short-axis files", each(edit=overlay), accepted()),
    Case("enhanced", "B2", "one enhanced object instead of files", each(edit=enhanced),
         quarantined(Reason.CINE_ENHANCED_MULTIFRAME)),
    # B3: slices
    Case("order", "B3", "numbers of slices against their positions", study(reversed_names),
         flagged("slice_order_disagrees")),
    Case("gap", "B3", "numbers of slices that are not 1 to n", study(gapped), flagged("slice_step_irregular")),
    Case("no_position", "B3", "no positions: the numbers order the slices", each(position=None, orientation=None),
         flagged("positions_unusable")),
    Case("one_slice", "B3", "one slice", study(lambda frames: frames[:FRAMES]), quarantined(Reason.CINE_TOO_FEW_SLICES)),
    Case("tilted", "B3", "a slice tilted against the others", middle(
        lambda frames: [replace(f, orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)) for f in frames]),
        flagged("planes_not_parallel")),
    # B3: frames in time
    Case("trigger", "B3", "trigger times and instance numbers disagree", study(bare_numbers),
         flagged("frame_order_disagrees")),
    Case("no_trigger", "B3", "no trigger times: instance numbers order the frames", each(trigger=None),
         flagged("trigger_times_missing")),
    Case("no_time", "B3", "neither trigger times nor instance numbers", each(trigger=None, instance=None),
         quarantined(Reason.CINE_HEADER_INCOMPLETE)),
    Case("few_frames", "B3", "five frames of a slice", study(
        lambda frames: [replace(f, cardiac_images=5) for f in frames if (f.instance or 9) <= 5]),
        quarantined(Reason.CINE_TOO_FEW_FRAMES)),
    Case("declared_frames", "B3", "a declared number of frames that the files do not bear out", each(cardiac_images=50),
         flagged("frame_count_disagrees")),
    # B3: repeats
    Case("repeat", "B3", "a slice acquired twice: the later one counts", middle(
        repeat("1.2.826.0.1.9.1", "111500", 0)), repaired(repeat_series=1)),
    Case("repeat_uid", "B3", "a repeat whose uid sorts before the first and whose time is later", middle(
        repeat("1.2.826.0.1.0.1", "111500", 50)), repaired(repeat_series=1, intensity_high=312.0)),
    Case("repeat_earlier", "B3", "a repeat whose uid sorts last and whose time is earlier", middle(
        repeat("1.2.826.0.1.9.999", "091500", 50)), repaired(repeat_series=1, intensity_high=262.0)),
    Case("repeat_mixed", "B3", "a repeat inside one series, instance numbers running on", middle(
        lambda frames: [*frames, *(replace(f, sop_uid=f"{f.sop_uid}.7", instance=(f.instance or 0) + FRAMES)
                                   for f in frames)]), repaired(repeat_series=1)),
    Case("aborted", "B3", "a repeat that was aborted", middle(
        lambda frames: frames + repeat("1.2.826.0.1.9.1", "111500", 50)(frames)[FRAMES : FRAMES + 4]),
        repaired("aborted_repeat_ignored", repeat_series=1)),
    Case("repeat_matrix", "B3", "a superseded slice of another matrix", middle(
        lambda frames: other_matrix(frames) + repeat("1.2.826.0.1.9.1", "111500", 0)(frames)[FRAMES:]),
        repaired(repeat_series=1, matrix_columns=40)),
    Case("twice", "B3", "the same frame exported twice", middle(
        lambda frames: [*frames, replace(frames[3], sop_uid=f"{frames[3].sop_uid}.7")]), flagged("duplicate_frames")),
    # B3: missing frames
    Case("missing", "B3", "a frame is missing: it repeats its predecessor", middle(lambda frames: frames[:7] + frames[8:]),
         repaired("frames_missing", missing_frames=1)),
    Case("cut_frame", "B3", "a file cut in its pixels: as if it were missing", cut(1),
         repaired("frames_missing", "unreadable_files", missing_frames=1)),
    Case("undecodable", "B3", "pixels that do not decode: as if the frame were missing", garbled(2),
         repaired("frames_missing", "unreadable_files", missing_frames=2)),
    Case("many_missing", "B3", "more frames are missing than may be", middle(lambda frames: frames[:6]),
         quarantined(Reason.CINE_MISSING_FRAMES)),
    Case("none_decodes", "B3", "no frame of the stored slice decodes", garbled(FRAMES),
         quarantined(Reason.CINE_PIXELS_UNDECODABLE)),
    # B3: geometry
    Case("spacing", "B3", "spacing of rows and of columns differ", study(list),
         accepted(spacing_row_mm=1.8, spacing_column_mm=1.9)),
    Case("no_spacing", "B3", "no pixel spacing", each(spacing=None), quarantined(Reason.CINE_HEADER_INCOMPLETE)),
    Case("other_spacing", "B3", "a slice of another pixel spacing", middle(
        lambda frames: [replace(f, spacing=(1.4, 1.4)) for f in frames]), quarantined(Reason.CINE_GEOMETRY)),
    Case("step", "B3", "no SpacingBetweenSlices: positions give the step", study(list), accepted(manifest_status="agrees")),
    Case("mixed_matrix", "B3", "slices of different matrices in one zip", middle(other_matrix),
         quarantined(Reason.CINE_MIXED_MATRIX)),
    Case("blank", "B3", "frames of one value", each(pixels=np.zeros(MATRIX, np.uint16)), quarantined(Reason.CINE_CONSTANT)),
)  # fmt: skip
