"""Labels by their definitions, on participants whose history is written out."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from eccl.cohort.derive import derive_cohort
from eccl.config import CohortParams
from eccl.data import database
from eccl.data.parts import read_table
from eccl.workspace import Workspace

NEVER, BEFORE, AFTER_SOON, AFTER_LATE, UNDATED, BOTH, DEAD = range(9_000_001, 9_000_008)
VISIT = date(2016, 5, 1)
EVENTS: list[tuple[int, str, date | None, str]] = [
    (BEFORE, "I214", date(2010, 1, 1), "hospital"),
    (AFTER_SOON, "I21", date(2018, 1, 1), "first_occurrence"),
    (AFTER_LATE, "I219", date(2023, 1, 1), "hospital"),
    (UNDATED, "I21", None, "first_occurrence"),
    (BOTH, "I21X", date(2012, 1, 1), "hospital"),
    (BOTH, "I210", date(2017, 1, 1), "hospital"),
    (DEAD, "I219", date(2016, 5, 2), "death"),
    (NEVER, "I25", date(2001, 1, 1), "hospital"),
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    place = Workspace(tmp_path)
    people = list(range(NEVER, DEAD + 1))
    write(place, "participants", [{"eid": eid, "sex": "F", "birth_year": 1950} for eid in people])
    write(place, "visits", [{"eid": eid, "instance": 2, "visit_date": VISIT} for eid in people])
    write(
        place,
        "diagnoses",
        [
            {"eid": e, "code": c, "date": d, "date_status": "known" if d else "unknown", "source": s, "field_id": 41270}
            | {"instance": 0, "array_index": i}
            for i, (e, c, d, s) in enumerate(EVENTS)
        ],
    )
    return place


def write(place: Workspace, table: str, rows: list[dict[str, Any]]) -> None:
    database.write_table(place.data, table, pa.Table.from_pylist(rows))


def label(place: Workspace, eid: int, definition: str, code: str = "I21") -> bool | None:
    derive_cohort(place, CohortParams(incident_horizon_days=5 * 365))
    rows = read_table(place.data, "labels").to_pylist()
    (row,) = [r for r in rows if (r["eid"], r["definition"], r["code"]) == (eid, definition, code)]
    value: bool | None = row["value"]
    return value


@pytest.mark.parametrize(
    ("eid", "ever", "prevalent", "incident"),
    [
        (NEVER, False, False, False),
        (BEFORE, True, True, None),
        (AFTER_SOON, True, False, True),
        (AFTER_LATE, True, False, False),
        (UNDATED, True, None, None),
        (BOTH, True, True, None),
        (DEAD, True, False, True),
    ],
)
def test_definitions(
    workspace: Workspace, eid: int, ever: bool | None, prevalent: bool | None, incident: bool | None
) -> None:
    assert label(workspace, eid, "ever") is ever
    assert label(workspace, eid, "prevalent") is prevalent
    assert label(workspace, eid, "incident") is incident


def test_a_label_names_its_date_and_source(workspace: Workspace) -> None:
    derive_cohort(workspace, CohortParams())
    rows = {
        (r["eid"], r["definition"]): r for r in read_table(workspace.data, "labels").to_pylist() if r["code"] == "I21"
    }
    assert (rows[BOTH, "ever"]["date"], rows[BOTH, "ever"]["source"]) == (date(2012, 1, 1), "hospital")
    assert (rows[DEAD, "incident"]["date"], rows[DEAD, "incident"]["source"]) == (date(2016, 5, 2), "death")
    assert rows[UNDATED, "ever"]["date"] is None
    assert rows[NEVER, "ever"]["source"] is None


def test_participants_with_bulk_files_only_get_no_negative_label(workspace: Workspace) -> None:
    write(workspace, "participants", [{"eid": NEVER}])
    derive_cohort(workspace, CohortParams())
    assert read_table(workspace.data, "labels").num_rows == 0


def test_visits_are_pairs_or_excluded_with_every_reason(workspace: Workspace) -> None:
    part = workspace.data / "tables"
    ecg = [bulk_row("recordings", NEVER, 0), bulk_row("recordings", BEFORE, 1)]
    database.write_if_changed(
        database.conform("recordings", pa.Table.from_pylist(ecg)), part / "recordings" / "part-00000.parquet"
    )
    cine = [bulk_row("cines", NEVER, 0), bulk_row("cines", DEAD, 1)]
    database.write_if_changed(
        database.conform("cines", pa.Table.from_pylist(cine)), part / "cines" / "part-00000.parquet"
    )
    refused = {"kind": "cine", "eid": BEFORE, "instance": 2, "row": 2, "path": "x.zip", "reason": "zip_malformed"}
    rows = pa.Table.from_pylist([{**refused, "detail": "not a zip", "remedy": "fetch it again"}])
    database.write_if_changed(database.conform("quarantine", rows), part / "quarantine" / "cine-00000.parquet")
    derive_cohort(workspace, CohortParams())
    pairs = read_table(workspace.data, "pairs").to_pylist()
    assert [(p["eid"], p["recording_row"], p["cine_row"], p["gap_days"]) for p in pairs] == [(NEVER, 0, 0, 3)]
    reasons: dict[int, set[str]] = {}
    for row in read_table(workspace.data, "exclusions").to_pylist():
        reasons.setdefault(row["eid"], set()).add(row["reason"])
    assert reasons[BEFORE] == {"cine_quarantined"}
    assert reasons[DEAD] == {"no_ecg"}
    assert reasons[UNDATED] == {"no_ecg", "no_cine"}
    assert NEVER not in reasons


def bulk_row(table: str, eid: int, slot: int) -> dict[str, Any]:
    """A row with the required columns filled by their type."""
    connection = database.memory()
    database.create_tables(connection, [table])
    fill = {"VARCHAR": "x", "BOOLEAN": False}
    row = {
        name: fill.get(kind, 0)
        for name, kind, nullable in connection.execute(
            "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        if not nullable
    }
    known = {"eid": eid, "instance": 2, "row": slot}
    return row | known | ({"observed_at": datetime(2016, 5, 4, 9, 30)} if table == "recordings" else {})
