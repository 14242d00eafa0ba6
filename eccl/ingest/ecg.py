"""Resting ECG: a CardioSoft XML becomes a record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from eccl.config import Params
from eccl.data.arrays import checksum
from eccl.ingest.record import Record
from eccl.modalities import ECG
from eccl.readers.ecg.cardiosoft import EcgRecord, read_ecg_xml
from eccl.signal.baseline import remove_baseline
from eccl.signal.beats import choose_period
from eccl.signal.quality import measure_quality

_RAW, _CLEAN = ECG.arrays
_FILE_COLUMNS = (
    "observed_at", "software", "software_version", "sample_rate_hz", "resolution_uv", "low_pass_hz", "high_pass_hz",
    "lead_identity_error_uv",
)  # fmt: skip
"""Columns that are attributes of :class:`eccl.readers.ecg.cardiosoft.EcgRecord`."""


def ecg_reader(params: Params) -> EcgReader:
    """Reader of CardioSoft XML under given parameters."""
    return EcgReader(params.ingest.max_lead_identity_error_uv, params.limits.xml_mb << 20)


@dataclass(frozen=True, slots=True)
class EcgReader:
    """CardioSoft XML -> raw and clean samples, measurements and quality.

    :meth:`record` also serves recordings that were never a file.
    """

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
            **{name: getattr(ecg, name) for name in _FILE_COLUMNS},
            **asdict(ecg.measurements),
            "diagnosis": " | ".join(ecg.diagnosis_texts) or None,
            "rr_samples": period,
            "rr_source": source,
            **asdict(quality),
            "flags": ",".join(sorted(ecg.flags)),
        }
        return Record({_RAW: raw, _CLEAN: clean}, columns)
