"""Every trap has the outcome of its table, from the raw folder to the tables, and harms no other file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from eccl.config import Params
from eccl.data.arrays import verify_rows
from eccl.errors import Reason, WorkspaceError
from eccl.ingest.run import plan_ingest, run_ingest
from eccl.readers.tables.withdrawal_lists import read_withdrawals
from eccl.remedies import remedy
from tests.dirty import ecg_cases, list_cases, table_cases
from tests.dirty.cases import Case
from tests.dirty.conftest import CINE_EID, CINES, ECG_EID, TABLE_EID, TABLES, VISITS_EID, Ingested, new_workspace
from tests.dirty.list_cases import ListCase, PlaceCase
from tests.dirty.table_cases import TableCase


def check(dirty: Ingested, table: str, eid: int, case: Case) -> None:
    """Compare a visit's row and its refusals with the outcome."""
    row, refusals = dirty.row(table, eid), dirty.refusals("?", range(eid, eid + 1))
    if case.outcome.reason is not None:
        assert row is None, f"written with flags {row['flags']!r}"
        assert [refusal["reason"] for refusal in refusals] == [case.outcome.reason.value]
        assert refusals[0]["remedy"] == remedy(case.outcome.reason)
        return
    assert refusals == []
    assert row is not None
    assert tuple(filter(None, row["flags"].split(","))) == case.outcome.flags
    for name, value in case.outcome.columns.items():
        assert row[name] == (pytest.approx(value, rel=1e-3) if isinstance(value, float) else value), name


@pytest.mark.parametrize("case", ecg_cases.CASES, ids=lambda case: case.id)
def test_ecg(dirty: Ingested, case: Case) -> None:
    eid = ECG_EID + ecg_cases.CASES.index(case)
    check(dirty, "recordings", eid, case)
    if case.id in ecg_cases.SAME_SAMPLES:
        row, clean = dirty.row("recordings", eid), dirty.row("recordings", VISITS_EID)
        assert row is not None
        assert clean is not None
        assert row["raw_sha256"] == clean["raw_sha256"]


@pytest.mark.parametrize("case", CINES, ids=lambda case: case.id)
def test_cine(dirty: Ingested, case: Case) -> None:
    check(dirty, "cines", CINE_EID + CINES.index(case), case)


@pytest.mark.parametrize("case", table_cases.CASES, ids=lambda case: case.id)
def test_table(dirty: Ingested, case: TableCase) -> None:
    first = TABLE_EID + 10 * table_cases.CASES.index(case)
    refusals = dirty.refusals(f"tables/{case.id}/", range(first, first + 10))
    assert {refusal["reason"] for refusal in refusals} == {reason.value for reason in case.reasons}
    for table, columns in case.rows:
        wanted = {"eid" if name == "person" else name: value for name, value in columns.items()}
        wanted["eid"] += first
        assert wanted in [{name: row[name] for name in wanted} for row in dirty.tables[table]]
    gone = {first + person for person in case.absent}
    for table in TABLES:
        assert not gone & {row["eid"] for row in dirty.tables[table]}, table


@pytest.mark.parametrize("case", list_cases.PLACES, ids=lambda case: case.id)
def test_places(dirty: Ingested, case: PlaceCase) -> None:
    found = [row["reason"] for row in dirty.refusals(f"places/{case.name}")]
    assert found == ([case.reason.value] if case.reason else [])


def test_visits_keep_their_instance(dirty: Ingested) -> None:
    """A5: `_2_0`, `_3_0`, `_4_0` of one participant, distinguished by the name; a second array index is a second copy."""
    rows = [row for row in dirty.tables["recordings"] if row["eid"] == VISITS_EID]
    assert sorted(row["instance"] for row in rows) == [2, 3, 4]
    assert dirty.report.kinds[0].skipped == {"second copy": 1}


def test_every_file_is_accounted_for(dirty: Ingested) -> None:
    for kind, cases, further in zip(dirty.report.kinds, (ecg_cases.CASES, CINES), (3, 0), strict=True):
        good = sum(case.outcome.reason is None for case in cases)
        assert kind.written == good + further
        assert kind.expected == kind.written + sum(kind.skipped.values()) + sum(kind.quarantined.values())
        assert Reason.READER_FAILED.value not in kind.quarantined
        assert Reason.READER_CRASHED.value not in kind.quarantined


def test_what_was_written_reads_back(dirty: Ingested) -> None:
    for table, array, column in (
        ("recordings", "ecg.zarr/raw", "raw_sha256"),
        ("recordings", "ecg.zarr/clean", "clean_sha256"),
        ("cines", "cine.zarr/frames", "frames_sha256"),
    ):
        rows, sums = zip(*((row["row"], row[column]) for row in dirty.tables[table]), strict=True)
        assert verify_rows(dirty.workspace.data, array, list(rows), list(sums)) == []


def test_nothing_is_written_outside_the_data(dirty: Ingested) -> None:
    assert dirty.outside_after == dirty.outside_before
    assert not list(Path("/tmp").glob("escape-*"))


def test_nothing_external_is_resolved(dirty: Ingested) -> None:
    assert dirty.contacts == 0
    for path in dirty.workspace.root.rglob("*"):
        assert not path.is_file() or ecg_cases.CANARY not in path.read_bytes(), path.name


def test_details_hold_no_participant_and_no_text_of_a_file(dirty: Ingested) -> None:
    for row in dirty.tables["quarantine"]:
        text = f"{row['detail']} {row['remedy']}"
        assert not re.search(r"9[0-9]{6}(?![0-9])", text)
        assert "escape" not in text
        assert "canary" not in text
        assert len(row["detail"]) < 500


@pytest.mark.parametrize("case", list_cases.LISTS, ids=lambda case: case.id)
def test_withdrawal_list(tmp_path: Path, case: ListCase) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    path = raw / case.name
    path.write_bytes(case.content)
    place = new_workspace(tmp_path / "workspace")
    if case.found is not None:
        assert read_withdrawals(path) == case.found
        found, _ = plan_ingest(place, raw, Params())
        assert found.withdrawals == case.found
        return
    with pytest.raises(WorkspaceError) as caught:
        run_ingest(place, raw, workers=1)
    assert str(list_cases.EID) not in str(caught.value)
    assert not place.data.exists()


def test_cases_have_names_of_their_own() -> None:
    lists: tuple[tuple[Any, ...], ...] = (
        *(ecg_cases.CASES, CINES, table_cases.CASES),
        *(list_cases.LISTS, list_cases.PLACES),
    )
    for cases in lists:
        names = [case.id for case in cases]
        assert len(set(names)) == len(names)
