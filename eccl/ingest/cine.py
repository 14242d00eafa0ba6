"""Short-axis cine: a zip of DICOM files becomes a record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from eccl.config import CineParams, Params
from eccl.data.arrays import checksum
from eccl.errors import Reason, Rejected
from eccl.image.cine import CineOptions, PreparedCine, prepare_cine
from eccl.image.segmentation import Segmentation, find_segmentation, read_segmentation
from eccl.ingest.record import Record
from eccl.modalities import CINE
from eccl.readers.cine.study import SaxStudy, ZipLimits, open_sax_zip

_STUDY_COLUMNS = (
    "acquired_on", "manufacturer", "slice_count", "repeat_series", "excluded_files", "slice_step_mm", "cycle_ms", "manifest_status",
)  # fmt: skip
_CINE_COLUMNS = (
    "mid_slice", "slice_rule", "native_frames", "is_resampled", "window_top", "window_left", "intensity_low", "intensity_high",
    "motion_fraction", "contrast", "sharpness",
)  # fmt: skip


def cine_reader(params: Params) -> CineReader:
    """Reader of short-axis zips under given parameters."""
    limits = params.limits
    zip_limits = ZipLimits(
        max_members=limits.zip_members,
        max_member_bytes=limits.zip_member_mb << 20,
        max_total_bytes=limits.zip_total_mb << 20,
        max_ratio=limits.zip_ratio,
        max_matrix=limits.image_px,
    )
    return CineReader(params.cine, params.ingest.max_missing_frames, zip_limits)


@dataclass(frozen=True, slots=True)
class CineReader:
    """Short-axis DICOM zip -> one slice's window over one cycle, its heart box and geometry.

    :meth:`record` also serves studies that were never a file.
    """

    params: CineParams
    max_missing_frames: int
    limits: ZipLimits

    def __call__(self, path: Path) -> Record:
        return self.parse(path, self._segmentation(path))

    def parse(self, source: Path | BinaryIO, segmentation: Segmentation | None = None) -> Record:
        """Make a record of a zip."""
        with open_sax_zip(source, self.limits) as study:
            return self.record(study, segmentation)

    def record(self, study: SaxStudy, segmentation: Segmentation | None = None) -> Record:
        """Choose the slice, find the heart and cut the window of a study."""
        options = CineOptions(
            frames=self.params.frames,
            window_px=self.params.window_px,
            mid_slice=self.params.mid_slice,
            box=self.params.box,
            crop=self.params.crop,
        )
        cine = prepare_cine(study.read_slice, study.slice_count, study.spacing_mm, options, segmentation)
        missing = study.slices[cine.mid_slice].missing_frames
        if missing > self.max_missing_frames:
            raise Rejected(
                Reason.CINE_MISSING_FRAMES,
                f"{missing} of {study.native_frames} frames of the chosen slice are absent or broken; at most "
                f"{self.max_missing_frames} may be (ingest.max_missing_frames)",
            )
        return Record({CINE.model_array: cine.frames}, _cine_columns(study, cine, missing))

    def _segmentation(self, path: Path) -> Segmentation | None:
        if self.params.box == "motion" and self.params.mid_slice in {"auto", "index_half"}:
            return None
        beside = find_segmentation(path)
        return read_segmentation(beside, self.params.label_scheme) if beside else None


def _cine_columns(study: SaxStudy, cine: PreparedCine, missing: int) -> dict[str, Any]:
    box = {
        f"box_{name}": getattr(cine.box, name) for name in ("top", "left", "bottom", "right", "source", "confidence")
    }
    return {
        "frames_sha256": checksum(cine.frames),
        **{name: getattr(study, name) for name in _STUDY_COLUMNS},
        **{name: getattr(cine, name) for name in _CINE_COLUMNS},
        **box,
        "missing_frames": missing,
        "matrix_rows": study.matrix[0],
        "matrix_columns": study.matrix[1],
        "spacing_row_mm": study.spacing_mm[0],
        "spacing_column_mm": study.spacing_mm[1],
        "flags": ",".join(sorted({*study.flags, *cine.flags})),
    }
