"""What differs between ECG and cine: arrays, table, and how a typed recording or study becomes a record.

Everything else is shared. A reader has two steps: from a raw file to what :mod:`eccl.readers` makes of it, and from there
to a record; the second one also serves recordings that were never a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from eccl.config import CineParams, IngestParams, LimitParams, Params
from eccl.data.arrays import ArraySpec, checksum, cine_specs, ecg_specs
from eccl.errors import Reason, Rejected
from eccl.image.cine import CineOptions, PreparedCine, prepare_cine
from eccl.image.segmentation import Segmentation, find_segmentation, read_segmentation
from eccl.readers.cine.study import SaxSlice, ZipLimits, open_sax_zip
from eccl.readers.ecg.cardiosoft import EcgRecord, read_ecg_xml
from eccl.signal.baseline import remove_baseline
from eccl.signal.beats import choose_period
from eccl.signal.quality import measure_quality


@dataclass(frozen=True, slots=True)
class Record:
    """One recording or study as numbers: an array per spec of its modality, and its columns of the table."""

    arrays: Mapping[str, NDArray[Any]]
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Modality:
    """Everything an ingest needs to know about one kind of raw file.

    Parameters
    ----------
    kind
        ``ecg`` or ``cine``.
    table
        Table whose parts commit the shards.
    specs
        Arrays; all have the same rows per shard.
    reader
        Turns a raw file, or what its bytes mean, into a record, or raises :class:`eccl.errors.Rejected`.
    """

    kind: str
    table: str
    specs: tuple[ArraySpec, ...]
    reader: EcgReader | CineReader

    def read(self, path: Path) -> Record:
        """Turn one raw file into a record."""
        return self.reader(path)

    @property
    def shard_rows(self) -> int:
        return self.specs[0].shard_rows


def modalities(params: Params) -> tuple[Modality, Modality]:
    """The two modalities under given parameters."""
    return _ecg(params.ingest, params.limits), _cine(params.ingest, params.cine, params.limits)


def _ecg(params: IngestParams, limits: LimitParams) -> Modality:
    specs = ecg_specs(params.ecg_shard_rows)
    reader = EcgReader(params.max_lead_identity_error_uv, limits.xml_mb << 20)
    return Modality("ecg", "recordings", specs, reader)


def _cine(ingest: IngestParams, cine: CineParams, limits: LimitParams) -> Modality:
    specs = cine_specs(ingest.cine_shard_rows, cine.frames, cine.window_px, cine.model_dump())
    return Modality("cine", "cines", specs, CineReader(cine, ingest.max_missing_frames, _zip_limits(limits)))


def _zip_limits(limits: LimitParams) -> ZipLimits:
    return ZipLimits(
        max_members=limits.zip_members,
        max_member_bytes=limits.zip_member_mb << 20,
        max_total_bytes=limits.zip_total_mb << 20,
        max_ratio=limits.zip_ratio,
        max_matrix=limits.image_px,
    )


@dataclass(frozen=True, slots=True)
class EcgReader:
    """CardioSoft XML -> raw and clean samples, measurements and quality."""

    max_identity_error_uv: float
    max_bytes: int

    def __call__(self, path: Path) -> Record:
        return self.parse(path.read_bytes())

    def parse(self, content: bytes) -> Record:
        """Make a record of a file's bytes."""
        ecg = read_ecg_xml(content, max_identity_error_uv=self.max_identity_error_uv, max_bytes=self.max_bytes)
        return self.record(ecg)

    def record(self, ecg: EcgRecord) -> Record:
        """Remove the baseline and measure the quality of a recording."""
        raw = ecg.signal_uv
        period, source = choose_period(ecg.measurements.ventricular_rate_bpm, raw, ecg.sample_rate_hz)
        limits = np.iinfo(np.int16)
        clean = np.clip(np.rint(remove_baseline(raw, period)), limits.min, limits.max).astype(np.int16)
        quality = measure_quality(raw, clean, ecg.sample_rate_hz)
        columns = {
            "raw_sha256": checksum(raw),
            "clean_sha256": checksum(clean),
            "observed_at": ecg.observed_at,
            "software": ecg.software,
            "analysis": ecg.analysis,
            "sample_rate_hz": ecg.sample_rate_hz,
            "resolution_uv": ecg.resolution_uv,
            "low_pass_hz": ecg.low_pass_hz,
            "high_pass_hz": ecg.high_pass_hz,
            **asdict(ecg.measurements),
            "diagnosis": " | ".join(ecg.diagnosis_texts) or None,
            "rr_samples": period,
            "rr_source": source,
            "lead_identity_error_uv": ecg.lead_identity_error_uv,
            **asdict(quality),
            "flags": ",".join(sorted(ecg.flags)),
        }
        return Record({"ecg.zarr/raw": raw, "ecg.zarr/clean": clean}, columns)


class ShortAxisStudy(Protocol):
    """What a record needs of a study; :class:`eccl.readers.cine.study.SaxStudy` says what each of these means."""

    @property
    def slices(self) -> Sequence[SaxSlice]: ...
    @property
    def slice_count(self) -> int: ...
    @property
    def native_frames(self) -> int: ...
    @property
    def matrix(self) -> tuple[int, int]: ...
    @property
    def spacing_mm(self) -> tuple[float, float]: ...
    @property
    def slice_step_mm(self) -> float | None: ...
    @property
    def cycle_ms(self) -> float | None: ...
    @property
    def acquired_on(self) -> date | None: ...
    @property
    def manufacturer(self) -> str | None: ...
    @property
    def repeat_series(self) -> int: ...
    @property
    def excluded_files(self) -> int: ...
    @property
    def manifest_status(self) -> str: ...
    @property
    def flags(self) -> tuple[str, ...]: ...

    def read_slice(self, index: int) -> NDArray[Any]:
        """Frames (t, y, x) of one slice, counted from the base."""


@dataclass(frozen=True, slots=True)
class CineReader:
    """Short-axis DICOM zip -> one slice's window over one cycle, its heart box and geometry."""

    params: CineParams
    max_missing_frames: int
    limits: ZipLimits

    def __call__(self, path: Path) -> Record:
        return self.parse(path, self._segmentation(path))

    def parse(self, source: Path | BinaryIO, segmentation: Segmentation | None = None) -> Record:
        """Make a record of a zip."""
        with open_sax_zip(source, self.limits) as study:
            return self.record(study, segmentation)

    def record(self, study: ShortAxisStudy, segmentation: Segmentation | None = None) -> Record:
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
        return Record({"cine.zarr/frames": cine.frames}, _cine_columns(study, cine, missing))

    def _segmentation(self, path: Path) -> Segmentation | None:
        if self.params.box == "motion" and self.params.mid_slice in {"auto", "index_half"}:
            return None
        beside = find_segmentation(path)
        return read_segmentation(beside, self.params.label_scheme) if beside else None


def _cine_columns(study: ShortAxisStudy, cine: PreparedCine, missing: int) -> dict[str, Any]:
    return {
        "frames_sha256": checksum(cine.frames),
        "acquired_on": study.acquired_on,
        "manufacturer": study.manufacturer,
        "slice_count": study.slice_count,
        "mid_slice": cine.mid_slice,
        "slice_rule": cine.slice_rule,
        "native_frames": cine.native_frames,
        "is_resampled": cine.is_resampled,
        "missing_frames": missing,
        "repeat_series": study.repeat_series,
        "excluded_files": study.excluded_files,
        "matrix_rows": study.matrix[0],
        "matrix_columns": study.matrix[1],
        "spacing_row_mm": study.spacing_mm[0],
        "spacing_column_mm": study.spacing_mm[1],
        "slice_step_mm": study.slice_step_mm,
        "cycle_ms": study.cycle_ms,
        "window_top": cine.window_top,
        "window_left": cine.window_left,
        "box_top": cine.box.top,
        "box_left": cine.box.left,
        "box_bottom": cine.box.bottom,
        "box_right": cine.box.right,
        "box_source": cine.box.source,
        "box_confidence": cine.box.confidence,
        "intensity_low": cine.intensity_low,
        "intensity_high": cine.intensity_high,
        "motion_fraction": cine.motion_fraction,
        "contrast": cine.contrast,
        "sharpness": cine.sharpness,
        "manifest_status": study.manifest_status,
        "flags": ",".join(sorted({*study.flags, *cine.flags})),
    }
