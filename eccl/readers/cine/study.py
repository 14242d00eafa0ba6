"""Short-axis cine studies, UK Biobank field 20209: a zip of DICOM files in, ordered slices of frames out.

Only the headers count, not file names, folders or manifests. Only headers are read on opening; pixels of a
slice are decoded when that slice is read.

Flags a study may carry (remarks; the study is ingested):

==========================  ==========================================================================================
``series_unnamed``          no series is called CINE_segmented_SAX; the stack was found by its geometry
``base_end_unknown``        no b numbers; the base was placed by anatomy or acquisition order
``slice_order_disagrees``   the b numbers are not in the order of the positions; positions were used
``slices_coincide``         different b numbers at one position; the last acquisition was kept
``slice_step_irregular``    distances between slices differ by more than a fifth (a slice is missing or was re-planned)
``planes_not_parallel``     some slices are tilted by more than 10 degrees
``positions_unusable``      no or identical positions; slices are in the order of names or instance numbers
``aborted_repeat_ignored``  a repeat with less than half a cycle did not replace a fuller acquisition
``frame_order_disagrees``   trigger times and instance numbers order the frames differently; trigger times were used
``trigger_times_missing``   frames are ordered by instance number
``frame_count_disagrees``   CardiacNumberOfImages is not borne out by the files; the files' count was used
``frame_counts_differ``     slices have different numbers of frames
``duplicate_frames``        the same frame was there twice
``frames_missing``          a slice lacks frames; each gap repeats its predecessor
``unreadable_files``        files that are broken; they count as missing frames where they belonged to a slice
==========================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import BinaryIO
from zipfile import ZipFile

from eccl.errors import Reason, Rejected
from eccl.readers.cine.archive import ZipLimits, base_name, open_archive
from eccl.readers.cine.frames import trigger_step_ms, usual
from eccl.readers.cine.headers import BrokenFile, FrameHeader, NotAnImage, quiet_pydicom, read_header
from eccl.readers.cine.manifest import ManifestStatus, check_manifest, is_manifest
from eccl.readers.cine.pixels import Pixels, read_frames
from eccl.readers.cine.series import choose_stack
from eccl.readers.cine.slices import SlicePlan, StackPlan, plan_stack

__all__ = ["SaxSlice", "SaxStudy", "ZipLimits", "open_sax_zip"]

_SPACING_TOLERANCE = 0.02
_SPACING_MM = (0.1, 20.0)  # of any image of a heart


@dataclass(frozen=True, slots=True)
class SaxSlice:
    """One short-axis slice.

    `trigger_ms` holds one time per frame in ms after the R wave, None where the frame or its time is missing;
    `position_mm` is the plane's place along the stack; `missing_frames` counts the frames that repeat their predecessor
    (files that are absent or broken; after `SaxStudy.read_slice` also those whose pixels do not decode); `nominal` is
    the n of ``CINE_segmented_SAX_b<n>``.
    """

    frame_count: int
    trigger_ms: tuple[float | None, ...]
    position_mm: float | None
    missing_frames: int
    series_number: int | None
    nominal: int | None


@dataclass(frozen=True, slots=True)
class _Scan:
    headers: list[FrameHeader]
    unreadable: int
    ignored: int
    manifest: ManifestStatus


class SaxStudy:
    """A short-axis cine study whose headers are read and whose pixels are not.

    Attributes
    ----------
    slices : tuple of SaxSlice
        From the base to the apex.
    native_frames : int
        Frames of a complete slice.
    matrix : (int, int)
        Rows and columns of every frame.
    spacing_mm : (float, float)
        Distance between rows and between columns.
    slice_step_mm : float or None
        Median distance between slice centres.
    cycle_ms : float or None
        Frames times their median distance in time, else the header's NominalInterval.
    acquired_on : date or None
    manufacturer : str or None
        Maker and model.
    repeat_series : int
        Acquisitions that a later one of the same slice superseded.
    excluded_files, unreadable_files, ignored_files : int
        Images of other series; broken DICOM files; members that are no DICOM image (contours, text, manifests apart).
    manifest_status : str
        ``agrees``, ``differs``, ``missing`` or ``unreadable``.
    flags : tuple of str
        Remarks, sorted; see the module.
    """

    def __init__(self, archive: ZipFile, scan: _Scan, limits: ZipLimits) -> None:
        stack = choose_stack(scan.headers)
        plan = plan_stack(stack)
        used = [header for item in plan.slices for header in item.slots if header is not None]
        self._archive = archive
        self._members = archive.infolist()
        self._plans = plan.slices
        self._undecodable: dict[int, int] = {}
        self._unreadable = scan.unreadable
        self._flags = plan.flags
        self.slices: tuple[SaxSlice, ...] = tuple(describe_slice(item) for item in plan.slices)
        self.native_frames = plan.native_frames
        self.matrix = _one_matrix(used, limits)
        self.spacing_mm = _one_spacing(used)
        self.slice_step_mm = plan.slice_step_mm
        self.cycle_ms = measure_cycle_ms(plan)
        self.acquired_on: date | None = min((day for header in used if (day := header.acquired_on)), default=None)
        self.manufacturer: str | None = next((name for header in used if (name := header.manufacturer)), None)
        self.repeat_series = plan.repeats
        self.excluded_files = stack.excluded
        self.ignored_files = scan.ignored
        self.manifest_status: ManifestStatus = scan.manifest

    @property
    def slice_count(self) -> int:
        """Number of short-axis slices."""
        return len(self.slices)

    @property
    def unreadable_files(self) -> int:
        """Broken DICOM files found so far; `read_slice` adds those whose pixels do not decode."""
        return self._unreadable + sum(self._undecodable.values())

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the remarks about the study, sorted."""
        found = set(self._flags)
        if any(item.missing_frames for item in self.slices):
            found.add("frames_missing")
        if self.unreadable_files:
            found.add("unreadable_files")
        return tuple(sorted(found))

    def read_slice(self, index: int) -> Pixels:
        """Decode one slice, counted from the base.

        Returns
        -------
        frames : (frame_count, rows, columns) int16 or uint16
            As stored; float32 where the files carry a rescale slope or intercept that is not the identity. A missing or
            undecodable frame repeats its predecessor; `slices[index].missing_frames` is updated.

        Raises
        ------
        Rejected
            ``cine_pixels_undecodable`` where no frame of the slice decodes.
        IndexError
            There is no such slice.
        """
        if not 0 <= index < len(self._plans):
            raise IndexError(f"slice {index} of {len(self._plans)}; slices count from 0 at the base")
        slots = self._plans[index].slots
        try:
            frames, undecodable = read_frames(self._archive, self._members, slots, self.matrix)
        except Rejected:
            self._undecodable[index] = sum(header is not None for header in slots)
            raise
        self._undecodable[index] = undecodable
        missing = undecodable + slots.count(None)
        updated = replace(self.slices[index], missing_frames=missing)
        self.slices = (*self.slices[:index], updated, *self.slices[index + 1 :])
        return frames


@contextmanager
def open_sax_zip(source: Path | BinaryIO, limits: ZipLimits = ZipLimits()) -> Iterator[SaxStudy]:
    """Open a short-axis study and read its headers.

    Parameters
    ----------
    source
        Path of the zip or a seekable binary stream; a stream is left open.
    limits
        Limits of a study; a larger one is rejected before anything is decompressed.

    Yields
    ------
    study : SaxStudy

    Raises
    ------
    Rejected
        ``unreadable``, ``empty_file``, ``zip_malformed``, ``zip_limits``, ``cine_no_dicom``, ``cine_no_short_axis``,
        ``cine_enhanced_multiframe``, ``cine_header_incomplete``, ``cine_mixed_matrix``, ``cine_geometry``,
        ``cine_too_few_slices``, ``cine_too_few_frames``; no other exception for any content of the file.
    """
    with open_archive(source, limits) as archive:
        yield SaxStudy(archive, _scan(archive), limits)


def _scan(archive: ZipFile) -> _Scan:
    headers: list[FrameHeader] = []
    unreadable = ignored = 0
    series_by_name: dict[str, str] = {}
    with quiet_pydicom():
        for member, info in enumerate(archive.infolist()):
            # zipfile's own is_dir() fails on an empty name
            if info.filename.endswith("/") or info.file_size == 0 or is_manifest(info.filename):
                unreadable += info.filename.lower().endswith(".dcm")
                continue
            try:
                header = read_header(archive, info, member)
            except NotAnImage:
                ignored += 1
            except BrokenFile:
                unreadable += 1
            else:
                headers.append(header)
                series_by_name[base_name(info.filename)] = header.series
    if not headers:
        raise Rejected(
            Reason.CINE_NO_DICOM,
            f"no readable DICOM image among {len(archive.infolist())} members ({unreadable} broken); "
            "expected one DICOM file per frame",
        )
    return _Scan(headers, unreadable, ignored, check_manifest(archive, series_by_name))


def describe_slice(plan: SlicePlan) -> SaxSlice:
    """Describe a planned slice whose pixels are not read."""
    present = [header for header in plan.slots if header is not None]
    return SaxSlice(
        frame_count=len(plan.slots),
        trigger_ms=tuple(None if header is None else header.trigger_ms for header in plan.slots),
        position_mm=plan.coordinate,
        missing_frames=len(plan.slots) - len(present),
        series_number=usual(header.series_number for header in present),
        nominal=plan.nominal,
    )


def _one_matrix(used: list[FrameHeader], limits: ZipLimits) -> tuple[int, int]:
    found = {(header.rows, header.columns) for header in used}
    if len(found) > 1:
        sizes = ", ".join(f"{rows} x {columns}" for rows, columns in sorted(found))
        raise Rejected(Reason.CINE_MIXED_MATRIX, f"short-axis frames of {sizes}; expected one size for all slices")
    rows, columns = found.pop()
    if max(rows, columns) > limits.max_matrix:
        raise Rejected(
            Reason.ZIP_LIMITS,
            f"frames of {rows} x {columns} pixels, at most {limits.max_matrix} a side expected; look at the file by "
            "hand, then raise limits.image_px in params.yaml if it is genuine",
        )
    return rows, columns


def _one_spacing(used: list[FrameHeader]) -> tuple[float, float]:
    known = [header.spacing_mm for header in used if header.spacing_mm is not None]
    if len(known) < len(used):
        raise Rejected(
            Reason.CINE_HEADER_INCOMPLETE, f"{len(used) - len(known)} of {len(used)} frames have no PixelSpacing"
        )
    low = (min(row for row, _ in known), min(column for _, column in known))
    high = (max(row for row, _ in known), max(column for _, column in known))
    is_one = all(b <= (1 + _SPACING_TOLERANCE) * a for a, b in zip(low, high, strict=True))
    if min(low) < _SPACING_MM[0] or max(high) > _SPACING_MM[1] or not is_one:
        raise Rejected(
            Reason.CINE_GEOMETRY,
            f"PixelSpacing from {low[0]:g} x {low[1]:g} to {high[0]:g} x {high[1]:g} mm in one stack; "
            f"expected one spacing from {_SPACING_MM[0]:g} to {_SPACING_MM[1]:g} mm",
        )
    return known[0]


def measure_cycle_ms(plan: StackPlan) -> float | None:
    """Return frames times their median distance in time, else the header's NominalInterval."""
    cycles = [len(item.slots) * step for item in plan.slices if (step := trigger_step_ms(item.slots))]
    if cycles:
        return median(cycles)
    headers = [header for item in plan.slices for header in item.slots if header is not None]
    intervals = [value for header in headers if (value := header.nominal_interval_ms) is not None and value > 0]
    return median(intervals) if intervals else None
