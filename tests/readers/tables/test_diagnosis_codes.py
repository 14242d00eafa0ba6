from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from eccl.errors import Reason
from eccl.readers.tables.diagnosis_codes import DIAGNOSES_SCHEMA, find_misaligned, pair_codes_with_dates
from eccl.readers.tables.dictionary import load_dictionary
from eccl.readers.tables.export import read_table
from eccl.readers.tables.values import VALUES_SCHEMA

ROOT = Path(__file__).resolve().parents[3]
DICTIONARY = load_dictionary()
A, B = 9_000_001, 9_000_002


def make_values(*rows: tuple[int, int, int, int, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), VALUES_SCHEMA, orient="row")


def pair(*rows: tuple[int, int, int, int, str]) -> list[tuple[object, ...]]:
    return pair_codes_with_dates(make_values(*rows), DICTIONARY).rows()


def test_columns_are_those_of_the_schema() -> None:
    frame = pair_codes_with_dates(make_values(), DICTIONARY)
    assert dict(frame.schema) == DIAGNOSES_SCHEMA
    ddl = (ROOT / "schemas/tables/diagnoses.sql").read_text().split("(", 1)[1].split(");")[0]
    assert frame.columns == [part.split()[0].strip('"') for part in ddl.replace("\n", " ").split(",")]


def test_hospital_codes_take_the_date_of_their_index() -> None:
    found = pair(
        (A, 41270, 0, 0, "I10"),
        (A, 41270, 0, 1, "I214"),
        (A, 41280, 0, 0, "2001-01-01"),
        (A, 41280, 0, 1, "2002-02-03"),
        (B, 41202, 0, 3, "I50.0"),
        (B, 41262, 0, 3, "2003-03-04"),
    )
    assert found == [
        (A, "I10", date(2001, 1, 1), "known", "hospital", 41270, 0, 0),
        (A, "I214", date(2002, 2, 3), "known", "hospital", 41270, 0, 1),
        (B, "I500", date(2003, 3, 4), "known", "hospital", 41202, 0, 3),
    ]


@pytest.mark.parametrize("day", ["1900-01-01", "1901-01-01", "1902-02-02", "1903-03-03", "1909-09-09", "2037-07-07"])
def test_special_dates_are_unknown_and_the_event_stays(day: str) -> None:
    assert pair((A, 131298, 0, 0, day)) == [(A, "I21", None, "unknown", "first_occurrence", 131298, 0, 0)]
    found = pair((A, 41270, 0, 0, "I48"), (A, 41280, 0, 0, day))
    assert found == [(A, "I48", None, "unknown", "hospital", 41270, 0, 0)]


def test_first_occurrences_are_dates_of_their_block() -> None:
    blocks = {131296: "I20", 131298: "I21", 131300: "I22", 131306: "I25", 131338: "I42", 131350: "I48", 131354: "I50"}
    found = pair(*((A, field_id, 0, 0, "2010-05-06") for field_id in blocks), (A, 131299, 0, 0, "40"))
    assert {(row[5], row[1]) for row in found} == set(blocks.items())
    assert {(row[2], row[3], row[4]) for row in found} == {(date(2010, 5, 6), "known", "first_occurrence")}


def test_a_source_of_report_alone_is_an_event_without_date() -> None:
    found = pair((A, 131355, 0, 0, "40"))
    assert found == [(A, "I50", None, "unknown", "first_occurrence", 131354, 0, 0)]


def test_causes_of_death_take_the_date_of_death() -> None:
    found = pair(
        (A, 40000, 0, 0, "2020-01-02"),
        (A, 40001, 0, 0, "I219"),
        (A, 40002, 0, 1, "I500"),
        (A, 40001, 1, 0, "I251"),
        (B, 40001, 0, 0, "I429"),
    )
    assert found == [
        (A, "I219", date(2020, 1, 2), "known", "death", 40001, 0, 0),
        (A, "I251", date(2020, 1, 2), "known", "death", 40001, 1, 0),
        (A, "I500", date(2020, 1, 2), "known", "death", 40002, 0, 1),
        (B, "I429", None, "unknown", "death", 40001, 0, 0),
    ]


def test_an_undated_secondary_code_does_not_blur_a_dated_one() -> None:
    found = pair(
        (A, 41270, 0, 0, "I10"),
        (A, 41280, 0, 0, "2001-01-01"),
        (A, 41204, 0, 0, "I10"),
        (A, 41204, 0, 1, "I48"),
        (B, 41204, 0, 0, "I10"),
    )
    assert found == [
        (A, "I10", date(2001, 1, 1), "known", "hospital", 41270, 0, 0),
        (A, "I48", None, "unknown", "hospital", 41204, 0, 1),
        (B, "I10", None, "unknown", "hospital", 41204, 0, 0),
    ]


def test_other_code_systems_are_no_diagnoses() -> None:
    values = make_values(
        (A, 41271, 0, 0, "4109"),
        (A, 41281, 0, 0, "1990-01-01"),
        (A, 41272, 0, 0, "K401"),
        (A, 41282, 0, 0, "2001-01-01"),
        (A, 41270, 0, 0, "I219"),
    )
    assert pair_codes_with_dates(values, DICTIONARY)["code"].to_list() == ["I219"]


def test_dates_beyond_the_last_code_make_all_dates_of_the_list_unknown() -> None:
    rows = [
        (A, 41270, 0, 0, "I10"),
        (A, 41280, 0, 0, "2001-01-01"),
        (A, 41280, 0, 1, "2002-01-01"),
        (B, 41270, 0, 0, "I10"),
        (B, 41280, 0, 0, "2003-01-01"),
    ]
    assert [(row[0], row[2], row[3]) for row in pair(*rows)] == [(A, None, "unknown"), (B, date(2003, 1, 1), "known")]
    issues = find_misaligned(make_values(*rows))
    assert [(issue.reason, issue.eid, issue.count) for issue in issues] == [(Reason.TABLE_CODE_DATE_MISALIGNED, A, 1)]
    assert "1 codes" in issues[0].detail
    assert str(A) not in issues[0].detail


def test_codes_beyond_the_last_date_keep_the_dates_before_them() -> None:
    rows = [(A, 41270, 0, 0, "I10"), (A, 41270, 0, 1, "I48"), (A, 41280, 0, 0, "2001-01-01")]
    assert [(row[1], row[3]) for row in pair(*rows)] == [("I10", "known"), ("I48", "unknown")]
    assert len(find_misaligned(make_values(*rows))) == 1


def test_gaps_inside_both_lists_are_no_misalignment() -> None:
    rows = [(A, 41270, 0, 0, "I10"), (A, 41270, 0, 2, "I48"), (A, 41280, 0, 2, "2001-01-01")]
    assert [(row[1], row[3]) for row in pair(*rows)] == [("I10", "unknown"), ("I48", "known")]
    assert find_misaligned(make_values(*rows)) == []


def test_a_field_that_was_not_exported_is_no_misalignment() -> None:
    assert find_misaligned(make_values((A, 41270, 0, 0, "I10"))) == []
    assert find_misaligned(make_values((A, 41280, 0, 0, "2001-01-01"))) == []


def test_many_misaligned_participants_are_summed() -> None:
    rows = [(A + k, 41270, 0, 0, "I10") for k in range(150)] + [(A, 41280, 0, 1, "2001-01-01")]
    issues = find_misaligned(make_values(*rows))
    assert len(issues) == 101
    assert sum(issue.count for issue in issues) == 150


def test_the_list_of_a_rap_export_stays_aligned_with_its_dates(tmp_path: Path) -> None:
    path = tmp_path / "rap.csv"
    path.write_text(
        "participant.eid,participant.p41270,participant.p41280_a0,participant.p41280_a1,participant.p41280_a2\n"
        '9000001,"[""I10"",""I214"",""I489""]",2001-01-01,1900-01-01,2003-01-01\n9000002,I500,2004-01-01,,\n'
    )
    found = pair_codes_with_dates(read_table(path, DICTIONARY).values, DICTIONARY)
    assert found.select("eid", "code", "date", "date_status").rows() == [
        (A, "I10", date(2001, 1, 1), "known"),
        (A, "I214", None, "unknown"),
        (A, "I489", date(2003, 1, 1), "known"),
        (B, "I500", date(2004, 1, 1), "known"),
    ]
