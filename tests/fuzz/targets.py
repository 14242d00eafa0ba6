"""What a reader promises for any bytes: a record of its documented shape, or `Rejected`, and no warning."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from eccl.errors import Reason, Rejected
from eccl.readers.cine.study import ZipLimits, open_sax_zip
from eccl.readers.ecg.cardiosoft import LEADS, SAMPLES, read_ecg_xml
from eccl.readers.tables.diagnosis_codes import find_misaligned, pair_codes_with_dates
from eccl.readers.tables.dictionary import load_dictionary
from eccl.readers.tables.export import read_table
from eccl.readers.tables.frames import participants_from, traits_from, visits_from
from eccl.readers.tables.values import VALUES_SCHEMA
from eccl.readers.tables.withdrawal_lists import read_withdrawals

LIMITS = ZipLimits(max_members=500, max_member_bytes=1 << 20, max_total_bytes=8 << 20, max_matrix=64)
DICTIONARY = load_dictionary()
Outcome = str
Target = Callable[[bytes], Outcome]


def ecg(data: bytes) -> Outcome:
    """Read an ECG; the outcome is ``ok`` or a reason."""
    try:
        record = read_ecg_xml(data)
    except Rejected as error:
        return _reason(error)
    assert record.signal_uv.shape == (len(LEADS), SAMPLES)
    assert record.signal_uv.dtype == np.int16
    assert record.sample_rate_hz == 500
    assert record.resolution_uv > 0
    assert np.ptp(record.signal_uv, axis=1).any()
    assert 0 <= record.lead_identity_error_uv <= 50
    numbers = [getattr(record.measurements, name) for name in record.measurements.__slots__]
    numbers += [record.low_pass_hz, record.high_pass_hz, *record.beat_times_ms]
    assert all(number is None or abs(number) <= 1e6 for number in numbers)
    assert len(record.beat_times_ms) <= 200
    assert all(
        len(text) <= 2_000 for text in (*record.diagnosis_texts, record.software or "", record.software_version or "")
    )
    assert len(set(record.flags)) == len(record.flags)
    return "ok"


def sax(data: bytes) -> Outcome:
    """Open a study and decode its slices; the outcome is ``ok`` or a reason."""
    try:
        with open_sax_zip(io.BytesIO(data), LIMITS) as study:
            assert 2 <= study.slice_count == len(study.slices) <= 64
            assert max(study.matrix) <= LIMITS.max_matrix
            assert all(0.1 <= spacing <= 20 for spacing in study.spacing_mm)
            assert study.cycle_ms is None or (math.isfinite(study.cycle_ms) and study.cycle_ms > 0)
            assert study.slice_step_mm is None or math.isfinite(study.slice_step_mm)
            for index, described in enumerate(study.slices):
                with contextlib.suppress(Rejected):  # this slice; another may decode
                    frames = study.read_slice(index)
                    assert frames.shape == (described.frame_count, *study.matrix)
                    assert frames.shape[0] <= 128
                    assert frames.dtype in (np.int16, np.uint16, np.float32)
                    assert np.isfinite(frames).all()
            assert list(study.flags) == sorted(set(study.flags))
            assert study.manifest_status in {"agrees", "differs", "missing", "unreadable"}
            assert len(study.manufacturer or "") <= 2_100
    except Rejected as error:
        return _reason(error)
    return "ok"


def table(data: bytes, *, with_frames: bool = True) -> Outcome:
    """Read a table, and the frames built from it; the outcome is ``ok`` or a reason."""
    with _file(data) as path:
        try:
            export = read_table(path, DICTIONARY)
        except Rejected as error:
            return _reason(error)
    assert dict(export.values.schema) == {name: kind() for name, kind in VALUES_SCHEMA.items()}
    assert export.values.null_count().row(0) == (0, 0, 0, 0, 0)
    keys = export.values.select("eid", "field_id", "instance", "array_index")
    assert keys.equals(keys.unique().sort("eid", "field_id", "instance", "array_index"))
    assert (export.eids > 0).all()
    assert export.rows >= len(export.eids)
    assert all(isinstance(issue.reason, Reason) and issue.count > 0 for issue in export.issues)
    assert all(issue.eid is None or 0 < issue.eid < 10**10 for issue in export.issues)
    if not with_frames:
        return "ok"
    frames = [participants_from(export.values, export.eids), visits_from(export.values), traits_from(export.values)]
    frames.append(pair_codes_with_dates(export.values, DICTIONARY))
    for frame in frames:
        days = [column for column in frame if column.dtype == pl.Date]
        assert all(1800 <= day.year <= 2099 for column in days for day in column.drop_nulls())
    find_misaligned(export.values)
    return "ok"


def withdrawals(data: bytes) -> Outcome:
    """Read a withdrawal list; the outcome is ``ok`` or a reason."""
    with _file(data) as path:
        try:
            found = read_withdrawals(path)
        except Rejected as error:
            return _reason(error)
    assert all(0 < eid < 10**10 for eid in found)
    return "ok"


def _reason(error: Rejected) -> Outcome:
    assert isinstance(error.reason, Reason)
    assert error.detail
    return error.reason.value


@contextlib.contextmanager
def _file(data: bytes) -> Iterator[Path]:
    # memory where there is some: fuzzing writes thousands of files
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
