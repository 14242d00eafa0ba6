"""A small valid cohort as dictionaries of columns, and how to write it as the tables of a workspace."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.database import COHORT_TABLES
from eccl.workspace import Workspace, shipped

PARTICIPANTS = 60
FIRST_EID = 9_314_077
DISEASES = ("I21", "I42", "I48", "I50")
Rows = list[dict[str, Any]]
Tables = dict[str, Rows]


def eids(count: int = PARTICIPANTS) -> list[int]:
    """Ids spread out, so that none is a likely substring of anything else."""
    return [FIRST_EID + 7_919 * index for index in range(count)]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _recording(eid: int, row: int, rng: np.random.Generator) -> dict[str, Any]:
    rate = float(np.clip(rng.normal(63, 9), 42, 95).round())
    return {
        "eid": eid, "instance": 2, "row": row, "path": f"ecg/{eid}_20205_2_0.xml", "file_sha256": _sha(f"e{eid}"),
        "file_bytes": 230_000, "raw_sha256": _sha(f"r{eid}"), "clean_sha256": _sha(f"c{eid}"),
        "observed_at": datetime(2018, 5, 1 + row % 28, 10, 30), "software": "V6.73", "software_version": "V21",
        "sample_rate_hz": 500.0, "resolution_uv": 5.0, "low_pass_hz": 100.0, "high_pass_hz": 0.01,
        "ventricular_rate_bpm": rate, "pq_interval_ms": 160.0, "p_duration_ms": 108.0, "qrs_duration_ms": 90.0,
        "qt_interval_ms": 400.0, "qtc_interval_ms": round(400 / (60 / rate) ** 0.5), "rr_interval_ms": 60000 / rate,
        "pp_interval_ms": 60000 / rate,
        "sokolow_lvh_mv": None, "p_axis_deg": 52.0, "r_axis_deg": 30.0, "t_axis_deg": 42.0,
        "qrs_count": round(rate / 6),
        "diagnosis": None, "rr_samples": round(30000 / rate), "rr_source": "device", "lead_identity_error_uv": 2.5,
        "flat_leads": 0, "saturated_fraction": 0.0, "baseline_rms_uv": 40.0, "noise_rms_uv": 9.0,
        "amplitude_p99_uv": 900.0, "flags": "",
    }  # fmt: skip


def _cine(eid: int, row: int) -> dict[str, Any]:
    return {
        "eid": eid, "instance": 2, "row": row, "path": f"cine/{eid}_20209_2_0.zip", "file_sha256": _sha(f"z{eid}"),
        "file_bytes": 9_200_000, "frames_sha256": _sha(f"f{eid}"), "acquired_on": date(2018, 5, 1 + row % 28),
        "manufacturer": "SIEMENS Aera", "slice_count": 10, "mid_slice": 5, "slice_rule": "index_half",
        "native_frames": 50, "is_resampled": False, "missing_frames": 0, "repeat_series": 0, "excluded_files": 50,
        "matrix_rows": 210, "matrix_columns": 208, "spacing_row_mm": 1.83, "spacing_column_mm": 1.83,
        "slice_step_mm": 10.0, "cycle_ms": 950.0, "window_top": 40, "window_left": 44, "box_top": 20, "box_left": 18,
        "box_bottom": 84, "box_right": 90, "box_source": "motion", "box_confidence": 0.8, "intensity_low": 0.0,
        "intensity_high": 410.0, "motion_fraction": 0.7, "contrast": 0.8, "sharpness": 0.1,
        "manifest_status": "agrees", "flags": "",
    }  # fmt: skip


def _trait_values(rng: np.random.Generator) -> dict[int, float]:
    def chamber(first: int, large: float, ejection: float) -> dict[int, float]:
        small = large * (1 - ejection / 100)
        return {first: large, first + 1: small, first + 2: large - small, first + 3: ejection}

    values = chamber(24100, float(rng.normal(144, 15)), float(rng.normal(60, 4)))
    values[24104] = values[24102] * 62 / 1000
    values[24105] = float(rng.normal(90, 10))
    right = 1.08 * values[24100]
    values |= chamber(24106, right, 100 * values[24102] / right)
    values |= chamber(24110, float(rng.normal(69, 8)), 60.0) | chamber(24114, float(rng.normal(82, 9)), 45.0)
    values |= {24118: 800.0, 24119: 740.0, 24120: 1.9, 24121: 470.0, 24122: 440.0, 24123: 2.5}
    for first, last, level, spread in (
        (24124, 24140, 5.8, 0.3),
        (24141, 24157, -22, 2),
        (24158, 24174, 45, 5),
        (24175, 24181, -18, 2),
    ):
        segments = rng.normal(level, spread, last - first)
        values |= {field: float(segments[field - first]) for field in range(first, last)}
        values[last] = float(segments.mean())
    return values


def _person(tables: Tables, index: int, eid: int, count: int) -> str:
    """A participant and its split, in the shares of params.yaml."""
    bucket = (index + 0.5) / count
    split = "train" if bucket < 0.6 else "val" if bucket < 0.8 else "test"
    tables["participants"].append(
        {"eid": eid, "sex": "FM"[index % 2], "birth_year": 1955, "birth_month": 1 + index % 12}
    )
    tables["splits"].append({"eid": eid, "split": split, "bucket": bucket})
    return split


def _visits(tables: Tables, index: int, eid: int, rng: np.random.Generator) -> date:
    """An imaging visit and one ten years before; returns the first's date."""
    day = date(2018, 5, 1 + index % 28)
    height, weight = float(rng.normal(170, 8)), float(rng.normal(76, 9))
    visit = {
        "eid": eid, "instance": 2, "visit_date": day, "centre": 11025, "age_years": 63.0, "height_cm": height,
        "weight_kg": weight, "bmi": weight / (height / 100) ** 2, "systolic_mmhg": 137.0, "diastolic_mmhg": 82.0,
    }  # fmt: skip
    tables["visits"] += [visit, visit | {"instance": 0, "visit_date": date(2008, 3, 4), "age_years": 53.0}]
    return day


def _diagnosis(tables: Tables, index: int, eid: int) -> None:
    """An infarction years before the visit for every fifth participant, and everybody's labels."""
    event = date(2011, 2, 3) if index % 5 == 0 else None
    if event:
        diagnosis = {"eid": eid, "code": "I219", "date": event, "date_status": "known", "source": "hospital"}
        tables["diagnoses"].append(diagnosis | {"field_id": 41270, "instance": 0, "array_index": 0})
    for code in DISEASES:
        ill = code == "I21" and event is not None
        for definition, value in (("ever", ill), ("prevalent", ill), ("incident", None if ill else False)):
            decides = bool(ill and value)
            label = {"eid": eid, "instance": 2, "code": code, "definition": definition, "value": value}
            tables["labels"].append(
                label
                | {"horizon_days": 1826 if definition == "incident" else None}
                | {"date": event if decides else None, "source": "hospital" if decides else None}
            )


def _refused_cine(tables: Tables, index: int, eid: int) -> None:
    """A visit whose cine could not be read: no pair, but every reason for it."""
    for reason, detail in (("no_cine", "no file of field 20209"), ("cine_quarantined", "refused: zip_malformed")):
        tables["exclusions"].append({"eid": eid, "instance": 2, "reason": reason, "detail": detail})
    tables["quarantine"].append(
        {
            "kind": "cine",
            "eid": eid,
            "instance": 2,
            "row": index,
            "path": f"cine/{eid}_20209_2_0.zip",
            "file_sha256": _sha("broken"),
            "file_bytes": 12,
            "reason": "zip_malformed",
            "detail": "found 12 bytes, expected a zip",
            "remedy": "Fetch it again.",
        }
    )


def _dictionary() -> Rows:
    """The 82 traits' fields, and one more."""
    traits: Rows = [
        {"field_id": field, "title": f"Field {field}", "short_name": f"trait_{field}", "value_type": "continuous"}
        | {"units": "mL", "category": 157, "trait_index": field - 24100}
        for field in range(24100, 24182)
    ]
    return [*traits, {"field_id": 31, "title": "Sex", "value_type": "categorical_single", "category": 9, "coding": 9}]


def valid_cohort(count: int = PARTICIPANTS) -> Tables:
    """A cohort that meets every expectation: pairs, one visit without a cine, one quarantined file."""
    rng = np.random.default_rng(5)
    tables: Tables = {name: [] for name in table_names()}
    for index, eid in enumerate(eids(count)):
        split = _person(tables, index, eid, count)
        day = _visits(tables, index, eid, rng)
        tables["recordings"].append(_recording(eid, index, rng))
        traits = _trait_values(rng)
        tables["traits"] += [
            {"eid": eid, "instance": 2, "field_id": field, "value": value} for field, value in traits.items()
        ]
        _diagnosis(tables, index, eid)
        if index == count - 1:
            _refused_cine(tables, index, eid)
            continue
        tables["cines"].append(_cine(eid, index))
        pair = {"eid": eid, "instance": 2, "split": split, "recording_row": index, "cine_row": index}
        tables["pairs"].append(pair | {"visit_date": day, "gap_days": 0, "trait_count": len(traits)})
    tables["fields"] = _dictionary()
    return tables


def table_names() -> list[str]:
    """Tables that lie under data/."""
    return sorted(COHORT_TABLES)


@cache
def table_schema(table: str) -> pa.Schema:
    """Arrow schema of a table's DDL, without constraints."""
    import duckdb

    connection = duckdb.connect()
    connection.execute((shipped("schemas") / "tables" / f"{table}.sql").read_text()).fetchall()
    schema = connection.sql(f"SELECT * FROM {table}").to_arrow_table().schema
    connection.close()
    return pa.schema([field.with_nullable(True) for field in schema])


def write_cohort(root: Path, tables: Tables, without: dict[str, str] | None = None) -> Workspace:
    """Write tables as the Parquet files of a workspace; `without` maps a table to a column to leave out."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(shipped("params.yaml").read_text())
    workspace = Workspace(root)
    for name, rows in tables.items():
        schema = table_schema(name)
        table = pa.Table.from_pylist(
            [{field.name: row.get(field.name) for field in schema} for row in rows], schema=schema
        )
        if without and name in without:
            table = table.drop_columns([without[name]])
        parted = {"recordings": "part-00000", "cines": "part-00000", "quarantine": "cine-00000"}
        path = (
            workspace.tables / name / f"{parted[name]}.parquet"
            if name in parted
            else workspace.tables / f"{name}.parquet"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    return workspace
