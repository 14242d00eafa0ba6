"""A valid cohort of about half a million rows in every large table, built from whole columns; there are no arrays.

A benchmark calls :func:`write_big_cohort` once and :func:`time_suites` as often as it likes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eccl.data.database import empty_table
from eccl.quality.engine import Engine
from eccl.quality.frames import load_frame, open_tables, read_limits, set_variables
from eccl.quality.suites import load_suites
from eccl.workspace import Workspace, shipped

ROWS = 500_000
FIRST = 9_000_000
DISEASES = ("I21", "I42", "I48", "I50")
DEFINITIONS = ("ever", "prevalent", "incident")
TRAITS = np.arange(24100, 24182)
BORN = np.datetime64("1955-06-15")
DAY = np.datetime64("2018-05-01")
Columns = dict[str, Any]


@dataclass(frozen=True)
class SuiteTime:
    """Seconds that one suite takes: its frame out of the tables, and Great Expectations on it."""

    suite: str
    rows: int
    expectations: int
    frame_s: float
    library_s: float
    failed: int


def write_big_cohort(folder: Path, rows: int = ROWS) -> Workspace:
    """Write the tables of `rows` imaged participants; a twelfth has labels and an 82nd has traits, so every table is as long."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(shipped("params.yaml").read_text())
    workspace = Workspace(folder)
    rng = np.random.default_rng(3)
    eid, slot = np.arange(FIRST, FIRST + rows), np.arange(rows)
    day = DAY + (slot % 900).astype("timedelta64[D]")
    visit = {"eid": eid, "instance": np.full(rows, 2)}
    labelled, measured = max(rows // (4 * 3), 1), max(rows // len(TRAITS), 1)
    bucket = (rng.permutation(rows) + 0.5) / rows
    split = np.where(bucket < 0.6, "train", np.where(bucket < 0.8, "val", "test"))
    known = slot < labelled
    born = pa.array(np.full(rows, 1955), mask=~known)
    sex = pa.array(np.where(slot % 2, "M", "F"), mask=~known)
    _write(workspace, "participants", {"eid": eid, "sex": sex, "birth_year": born})
    _write(workspace, "splits", {"eid": eid, "split": split, "bucket": bucket})
    _write(
        workspace,
        "visits",
        {**visit, "visit_date": day, **_measures(rng, rows), "age_years": (day - BORN).astype(float) / 365.25},
    )
    _write(workspace, "recordings/part-00000", _recordings(rng, slot, eid, day) | visit)
    _write(workspace, "cines/part-00000", _cines(slot, eid, day) | visit)
    traits = np.where(slot < measured, len(TRAITS), 0)
    pair = {
        "split": split,
        "recording_row": slot,
        "cine_row": slot,
        "visit_date": day,
        "gap_days": 0,
        "trait_count": traits,
    }
    _write(workspace, "pairs", {**visit, **pair})
    _write(workspace, "traits", _traits(rng, eid[:measured]))
    _write(workspace, "labels", _labels(eid[:labelled]))
    _write(workspace, "diagnoses", _diagnoses(eid[:labelled:10]))
    _write(workspace, "exclusions", {"eid": [], "instance": [], "reason": [], "detail": []})
    _write(workspace, "fields", _fields())
    return workspace


def time_suites(workspace: Workspace) -> list[SuiteTime]:
    """Run every suite once; the import of the library is paid before."""
    engine = Engine(read_limits(workspace))
    connection = open_tables(workspace)
    set_variables(connection, engine.parameters)
    found = []
    for suite in load_suites():
        begun = time.perf_counter()
        frame = load_frame(connection, suite.name)
        loaded = time.perf_counter()
        results = engine.run(suite, frame)
        ended = time.perf_counter()
        length = 0 if frame is None else len(frame)
        failed = sum(not row.success for row in results)
        found.append(SuiteTime(suite.name, length, len(results), loaded - begun, ended - loaded, failed))
    connection.close()
    return found


def _write(workspace: Workspace, table: str, columns: Columns) -> None:
    schema = empty_table(table.partition("/")[0]).schema
    length = len(columns["eid"] if "eid" in columns else columns["field_id"])
    arrays = []
    for field in schema:
        value = columns.get(field.name)
        if value is None:
            array = pa.nulls(length, field.type)
        elif isinstance(value, pa.Array):
            array = value.cast(field.type)
        elif isinstance(value, list | np.ndarray):
            array = pa.array(value).cast(field.type)
        else:
            array = pa.repeat(pa.scalar(value, field.type), length)
        arrays.append(array)
    file = workspace.tables / f"{table}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_arrays(arrays, names=schema.names), file, compression="zstd")


def _hashes(slot: NDArray[np.int64], offset: int) -> list[str]:
    return [f"{number + offset:064x}" for number in slot.tolist()]


def _paths(eid: NDArray[np.int64], field: int, suffix: str) -> list[str]:
    return [f"{number}_{field}_2_0.{suffix}" for number in eid.tolist()]


def _measures(rng: np.random.Generator, rows: int) -> Columns:
    height, weight = rng.normal(170, 8, rows), rng.normal(76, 9, rows)
    return {
        "centre": 11025,  "height_cm": height, "weight_kg": weight, "bmi": weight / (height / 100) ** 2,
        "systolic_mmhg": 137.0, "diastolic_mmhg": 82.0,
    }  # fmt: skip


def _recordings(rng: np.random.Generator, slot: NDArray[Any], eid: NDArray[Any], day: NDArray[Any]) -> Columns:
    rate = np.clip(rng.normal(63, 9, len(slot)), 42, 95).round()
    period = 60000 / rate
    return {
        "row": slot, "path": _paths(eid, 20205, "xml"), "file_sha256": _hashes(slot, 0), "file_bytes": 230_000,
        "raw_sha256": _hashes(slot, 10**9), "clean_sha256": _hashes(slot, 2 * 10**9), "observed_at": day.astype("datetime64[us]"),
        "software": "V6.73", "software_version": "V21", "sample_rate_hz": 500.0, "resolution_uv": 5.0, "low_pass_hz": 100.0,
        "high_pass_hz": 0.01, "ventricular_rate_bpm": rate, "pq_interval_ms": 160.0, "p_duration_ms": 108.0,
        "qrs_duration_ms": 90.0, "qt_interval_ms": 400.0, "qtc_interval_ms": 400 / np.sqrt(period / 1000),
        "rr_interval_ms": period, "pp_interval_ms": period, "p_axis_deg": 52.0, "r_axis_deg": 30.0, "t_axis_deg": 42.0,
        "qrs_count": (rate / 6).round(), "diagnosis": "Sinus rhythm", "rr_samples": (period / 2).round(),
        "rr_source": "device", "lead_identity_error_uv": 2.5, "flat_leads": 0, "saturated_fraction": 0.0,
        "baseline_rms_uv": rng.gamma(4, 10, len(slot)), "noise_rms_uv": rng.gamma(4, 2, len(slot)), "amplitude_p99_uv": 900.0,
        "flags": "",
    }  # fmt: skip


def _cines(slot: NDArray[Any], eid: NDArray[Any], day: NDArray[Any]) -> Columns:
    return {
        "row": slot, "path": _paths(eid, 20209, "zip"), "file_sha256": _hashes(slot, 3 * 10**9), "file_bytes": 9_200_000,
        "frames_sha256": _hashes(slot, 4 * 10**9), "acquired_on": day, "manufacturer": "SIEMENS Aera", "slice_count": 10,
        "mid_slice": 5, "slice_rule": "index_half", "native_frames": 50, "is_resampled": False, "missing_frames": 0,
        "repeat_series": 0, "excluded_files": 50, "matrix_rows": 210, "matrix_columns": 208, "spacing_row_mm": 1.83,
        "spacing_column_mm": 1.83, "slice_step_mm": 10.0, "cycle_ms": 950.0, "window_top": 40, "window_left": 44,
        "box_top": 20, "box_left": 18, "box_bottom": 84, "box_right": 90, "box_source": "motion", "box_confidence": 0.8,
        "intensity_low": 0.0, "intensity_high": 410.0, "motion_fraction": 0.7, "contrast": 0.8, "sharpness": 0.1,
        "manifest_status": "agrees", "flags": "",
    }  # fmt: skip


def _traits(rng: np.random.Generator, eid: NDArray[Any]) -> Columns:
    values = np.tile(rng.normal(5.8, 0.1, (len(eid), 1)), len(TRAITS))  # (visit, trait)
    for first, large, ejection in (
        (24100, 144.0, 60.0),
        (24106, 150.0, 57.6),
        (24110, 69.0, 60.0),
        (24114, 82.0, 45.0),
    ):
        at = first - 24100
        stroke = large * ejection / 100
        values[:, at : at + 4] = large, large - stroke, stroke, ejection
    values[:, 4], values[:, 5] = 86.4 * 63 / 1000, 90.0
    values[:, 18:24] = 800.0, 740.0, 1.9, 470.0, 440.0, 2.5
    values[:, 41:58], values[:, 58:75], values[:, 75:82] = -22.0, 45.0, -18.0
    keys = {"eid": np.repeat(eid, len(TRAITS)), "instance": 2, "field_id": np.tile(TRAITS, len(eid))}
    return keys | {"value": values.ravel()}


def _labels(eid: NDArray[Any]) -> Columns:
    each = len(DISEASES) * len(DEFINITIONS)
    code = np.repeat(DISEASES, len(DEFINITIONS))
    ill = (np.arange(len(eid)) % 10 == 0)[:, None] & (code == "I21")[None, :]  # (participant, label)
    incident = np.tile(DEFINITIONS, len(DISEASES)) == "incident"
    value, undecided, dated = (ill & ~incident).ravel(), (ill & incident).ravel(), (ill & ~incident).ravel()
    return {
        "eid": np.repeat(eid, each), "instance": 2, "code": np.tile(code, len(eid)),
        "definition": np.tile(DEFINITIONS, len(DISEASES) * len(eid)),
        "horizon_days": pa.array(np.full(each * len(eid), 1826), mask=np.tile(~incident, len(eid))),
        "value": pa.array(value, mask=undecided),
        "date": pa.array(np.full(len(value), np.datetime64("2011-02-03")), mask=~dated),
        "source": pa.array(np.full(len(value), "hospital"), mask=~dated),
    }  # fmt: skip


def _diagnoses(eid: NDArray[Any]) -> Columns:
    event = {"code": "I219", "date": pa.array(np.full(len(eid), np.datetime64("2011-02-03"))), "date_status": "known"}
    return {"eid": eid, "source": "hospital", "field_id": 41270, "instance": 0, "array_index": 0} | event


def _fields() -> Columns:
    names = [f"trait_{field}" for field in TRAITS.tolist()]
    shared = {"units": "mL", "value_type": "continuous", "category": 157}
    return {"field_id": TRAITS, "title": names, "short_name": names, "trait_index": TRAITS - TRAITS[0]} | shared
