from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eccl.errors import Reason, Rejected
from eccl.readers.tables.dictionary import load_dictionary
from eccl.readers.tables.export import TabularExport, merge_exports, read_table
from eccl.readers.tables.frames import participants_from, traits_from, typed_scalar, visits_from
from eccl.readers.tables.headers import Dialect
from eccl.readers.tables.values import VALUES_SCHEMA

ROOT = Path(__file__).resolve().parents[3]
DICTIONARY = load_dictionary()

UKBCONV_CSV = (
    '"eid","31-0.0","4080-2.0","4080-2.1","24103-2.0","24103-3.0","53-2.0","41270-0.0","41270-0.1","41280-0.0","41280-0.1"\n'
    '"9000001","0","120","130","55.10","","2015-08-30","I251","I489","2010-01-02","2011-03-04"\n'
    '"9000002","1","","","","60","","","","",""\n'
)
UKBCONV_R = (
    "f.eid\tf.31.0.0\tf.4080.2.0\tf.4080.2.1\tf.24103.2.0\tf.24103.3.0\tf.53.2.0\tf.41270.0.0\tf.41270.0.1\tf.41280.0.0\tf.41280.0.1\n"
    "9000001\t0\t120\t130\t55.1\tNA\t2015-08-30\tI251\tI489\t2010-01-02\t2011-03-04\n"
    "9000002\t1\tNA\tNA\tNA\t60\tNA\tNA\tNA\tNA\tNA\n"
)
R_CSV = (
    '"eid","X31.0.0","X4080.2.0","X4080.2.1","X24103.2.0","X24103.3.0","X53.2.0","X41270.0.0","X41270.0.1","X41280.0.0","X41280.0.1"\n'
    '9000001,0,120,130,55.1,NA,"2015-08-30","I251","I489","2010-01-02","2011-03-04"\n'
    "9000002,1,NA,NA,NA,60,NA,NA,NA,NA,NA\n"
)
RAP = (
    "participant.eid,participant.p31,participant.p4080_i2_a0,participant.p4080_i2_a1,participant.p24103_i2,"
    "participant.p24103_i3,participant.p53_i2,participant.p41270,participant.p41280_a0,participant.p41280_a1\n"
    '9000001,0,120,130,55.1,,2015-08-30,"[""I251"",""I489""]",2010-01-02,2011-03-04\n'
    "9000002,1,,,,60.0,,,,\n"
)
RAP_BARE = (
    "eid,p31,p4080_i2_a0,p4080_i2_a1,p24103_i2,p24103_i3,p53_i2,p41270,p41280_a0,p41280_a1\n"
    "9000001,0,120,130,55.1,,2015-08-30,I251|I489,2010-01-02,2011-03-04\n"
    "9000002,1,,,,60,,,,\n"
)
RAP_TITLES = (
    'Participant ID,Sex,"Systolic blood pressure, automated reading | Instance 2 | Array 0",'
    '"Systolic blood pressure, automated reading | Instance 2 | Array 1",LV ejection fraction | Instance 2,'
    "LV ejection fraction | Instance 3,Date of attending assessment centre | Instance 2,Diagnoses - ICD10,"
    "Date of first in-patient diagnosis - ICD10 | Array 0,Date of first in-patient diagnosis - ICD10 | Array 1\n"
    "9000001,0,120,130,55.1,,2015-08-30,I251|I489,2010-01-02,2011-03-04\n"
    "9000002,1,,,,60,,,,\n"
)
SAME_PEOPLE = [
    (9_000_001, 31, 0, 0, "0"),
    (9_000_001, 53, 2, 0, "2015-08-30"),
    (9_000_001, 4080, 2, 0, "120"),
    (9_000_001, 4080, 2, 1, "130"),
    (9_000_001, 24103, 2, 0, "55.1"),
    (9_000_001, 41270, 0, 0, "I251"),
    (9_000_001, 41270, 0, 1, "I489"),
    (9_000_001, 41280, 0, 0, "2010-01-02"),
    (9_000_001, 41280, 0, 1, "2011-03-04"),
    (9_000_002, 31, 0, 0, "1"),
    (9_000_002, 24103, 3, 0, "60.0"),
]
DIALECTS = {
    Dialect.UKBCONV_CSV: UKBCONV_CSV,
    Dialect.UKBCONV_R: UKBCONV_R,
    Dialect.R_CSV: R_CSV,
    Dialect.RAP: RAP,
    Dialect.RAP_TITLES: RAP_TITLES,
}


def read(folder: Path, text: str | bytes, name: str = "table.csv") -> TabularExport:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, DICTIONARY)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_dialect_gives_the_same_values(tmp_path: Path, dialect: Dialect) -> None:
    export = read(tmp_path, DIALECTS[dialect])
    assert export.dialect is dialect
    assert export.values.schema == VALUES_SCHEMA
    assert export.values.rows() == SAME_PEOPLE
    assert export.issues == []
    assert export.eids.to_list() == [9_000_001, 9_000_002]
    assert (export.rows, export.withdrawn_rows, export.unknown_columns) == (2, 0, 0)


def test_rap_headers_without_entity_and_lists_between_bars(tmp_path: Path) -> None:
    export = read(tmp_path, RAP_BARE)
    assert (export.dialect, export.values.rows(), export.issues) == (Dialect.RAP, SAME_PEOPLE, [])


def test_a_list_keeps_its_positions(tmp_path: Path) -> None:
    export = read(
        tmp_path, 'eid,p41270\n9000001,"[""I251"", null, ""I50.0""]"\n9000002,I10||I489\n9000003,[]\n9000004,I21X\n'
    )
    found = {(eid, index): value for eid, _, _, index, value in export.values.rows()}
    expected = {(1, 0): "I251", (1, 2): "I500", (2, 0): "I10", (2, 2): "I489", (4, 0): "I21X"}
    assert found == {(9_000_000 + eid, index): value for (eid, index), value in expected.items()}
    assert export.issues == []
    assert export.eids.len() == 4


def test_the_title_of_two_fields_follows_its_neighbours(tmp_path: Path) -> None:
    # 24103 and 22420 have the same title
    shared = "Participant ID,LV ejection fraction | Instance 2"
    alone = read(tmp_path, f"{shared}\n9000001,55\n")
    assert alone.values["field_id"].to_list() == [24103]
    inline = read(tmp_path, f"{shared},Average heart rate | Instance 2,Cardiac index | Instance 2\n9000001,55,60,3.1\n")
    assert set(inline.values["field_id"]) == {22420, 22426, 22425}
    twice = read(tmp_path, f"{shared},LV ejection fraction | Instance 2\n9000001,55,60\n")
    assert twice.values.is_empty()
    assert [issue.reason for issue in twice.issues] == [Reason.TABLE_HEADER_UNKNOWN] * 2
    assert "22420 or 24103" in twice.issues[0].detail


@pytest.mark.parametrize(
    "text",
    [
        "9000001,0,55\n9000002,1,60\n",
        "eid\n9000001\n",
        "eid,height,I21\n9000001,180,1\n",
        "hesin_diag.eid,hesin_diag.diag_icd10\n9000001,I21\n",
        "31-0.0,24103-2.0\n0,55\n",
    ],
)
def test_an_unknown_header_refuses_the_file_and_repeats_no_cell(tmp_path: Path, text: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(tmp_path, text)
    assert caught.value.reason is Reason.TABLE_HEADER_UNKNOWN
    assert "9000001" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.EMPTY_FILE),
        (b"\r\n\r\n", Reason.EMPTY_FILE),
        ("eid,31-0.0\n9000001,1\n".encode("utf-16"), Reason.TABLE_ENCODING),
    ],
)
def test_unreadable_files_have_their_reason(tmp_path: Path, content: bytes, reason: Reason) -> None:
    with pytest.raises(Rejected) as caught:
        read(tmp_path, content)
    assert caught.value.reason is reason


@pytest.mark.parametrize("text", ["eid,31-0.0", "eid,31-0.0\n", "eid,31-0.0\r\n\r\n", "\ufeffeid,31-0.0\n"])
def test_a_header_alone_is_an_empty_export(tmp_path: Path, text: str) -> None:
    export = read(tmp_path, text)
    assert export.values.is_empty()
    assert export.values.schema == VALUES_SCHEMA
    assert (export.rows, export.issues, export.eids.len()) == (0, [], 0)


def test_latin1_utf8_marks_and_windows_line_ends(tmp_path: Path) -> None:
    text = 'eid,12653-2.0\r\n9000001,"caf\xe9 12\xb0"\r\n'
    for encoding in ("latin-1", "utf-8", "utf-8-sig"):
        assert read(tmp_path, text.encode(encoding)).values["value"].to_list() == ["caf\xe9 12\xb0"], encoding


def test_withdrawn_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    export = read(tmp_path, "eid,31-0.0\n9000001,0\n-7,1\nW000001,1\n9000002,1\n")
    assert export.withdrawn_rows == 2
    assert export.eids.to_list() == [9_000_001, 9_000_002]
    assert export.values["eid"].to_list() == [9_000_001, 9_000_002]
    assert (export.rows, export.issues) == (4, [])


def test_refused_rows_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    lines = ["eid,31-0.0,34-0.0", "9000001,0,1950", "9000002,1", "abc,1,1950", ",1,1950", "9000001,1,1951"]
    text = "\n".join([*lines, "9000003,1,1952,7", "9000004,1,1953", ""])
    export = read(tmp_path, text)
    found = {(issue.reason, issue.row_number, issue.eid) for issue in export.issues}
    assert found == {
        (Reason.TABLE_ROW_WIDTH, 3, 9_000_002),
        (Reason.TABLE_EID, 4, None),
        (Reason.TABLE_EID, 5, None),
        (Reason.TABLE_DUPLICATE_KEY, 6, 9_000_001),
        (Reason.TABLE_ROW_WIDTH, 7, 9_000_003),
    }
    assert export.values.rows()[:2] == [(9_000_001, 31, 0, 0, "0"), (9_000_001, 34, 0, 0, "1950")]
    assert export.eids.to_list() == [9_000_001, 9_000_004]
    # expected = kept + refused
    assert export.rows == export.eids.len() + sum(issue.count for issue in export.issues) == 7


def test_cells_of_another_type_are_refused_one_by_one(tmp_path: Path) -> None:
    text = (
        "eid,34-0.0,24103-2.0,53-2.0\n9000001,1950,55,2015-08-30\n9000002,born,inf,2015-02-30\n9000003,1950.5,1e1,30/08/2015\n"
        "9000004,1951.0,x,2015-08-30T00:00:00\n"
    )
    export = read(tmp_path, text)
    by_field = {field: part["value"].to_list() for (field,), part in export.values.group_by(["field_id"])}
    assert by_field == {34: ["1950", "1951"], 24103: ["55.0", "10.0"], 53: ["2015-08-30", "2015-08-30"]}
    assert [(issue.reason, issue.count, issue.row_number) for issue in export.issues] == [
        (Reason.TABLE_VALUE_TYPE, 2, 3)
    ] * 3
    assert "born" not in str(export.issues)
    assert export.eids.len() == 4


def test_labels_refuse_their_column_even_where_mixed_with_codes(tmp_path: Path) -> None:
    export = read(
        tmp_path, "eid,p31,p54_i2,p34,p41270\n9000001,Male,11010,1950,I251\n9000002,1,11011,1951,I21.0 Acute\n"
    )
    assert set(export.values["field_id"]) == {54, 34}
    assert [(issue.reason, issue.count) for issue in export.issues] == [(Reason.TABLE_LABELS_NOT_CODES, 2)] * 2
    assert "field 31" in export.issues[0].detail


def test_negative_codes_are_values(tmp_path: Path) -> None:
    assert read(tmp_path, "eid,20116-2.0\n9000001,-3\n").values["value"].to_list() == ["-3"]


def test_unknown_columns_are_counted_and_repeated_ones_refused(tmp_path: Path) -> None:
    export = read(tmp_path, "eid,31-0.0,99999-0.0,note,31-0.0,eid\n9000001,0,7,x,1,9000001\n")
    assert export.unknown_columns == 2
    assert export.values.rows() == [(9_000_001, 31, 0, 0, "0")]
    assert [issue.reason for issue in export.issues] == [Reason.TABLE_DUPLICATE_KEY]


def test_an_export_of_other_fields_still_counts_its_participants(tmp_path: Path) -> None:
    export = read(tmp_path, "eid,99999-0.0\n9000001,7\n-3,7\n")
    assert export.values.is_empty()
    assert (export.rows, export.withdrawn_rows, export.unknown_columns, export.eids.to_list()) == (2, 1, 1, [9_000_001])
    assert export.issues == []


def test_lines_swallowed_by_an_open_quote_are_counted(tmp_path: Path) -> None:
    export = read(tmp_path, 'eid,12653-2.0\n9000001,"open\n9000002,x\n9000003,y\n')
    assert [(issue.reason, issue.count) for issue in export.issues] == [(Reason.TABLE_ROW_WIDTH, 2)]


def test_many_refused_rows_are_summed(tmp_path: Path) -> None:
    export = read(tmp_path, "eid,31-0.0\n" + "x,1\n" * 250)
    assert len(export.issues) == 101
    assert sum(issue.count for issue in export.issues) == 250


def test_blocks_do_not_change_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{9_000_000 + k % 400},{k % 2},{50 + k / 10},{'I251' if k % 3 else ''}" for k in range(1, 500)]
    rows[250] = "9000900,1"
    text = "eid,31-0.0,24103-2.0,41270-0.0\n" + "\n".join(rows) + "\n"
    whole = read(tmp_path, text)
    monkeypatch.setattr("eccl.readers.tables.export._BLOCK_BYTES", 512)
    blocks = read(tmp_path, text)
    assert blocks.values.equals(whole.values)
    assert blocks.issues == whole.issues
    assert {(issue.reason, issue.row_number) for issue in whole.issues} >= {(Reason.TABLE_ROW_WIDTH, 252)}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_continuous_values_keep_every_bit(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    rows = "".join(f"{9_000_001 + k},{number!r}\n" for k, number in enumerate(numbers))
    export = read(tmp_path_factory.mktemp("floats"), "eid,24103-2.0\n" + rows)
    assert traits_from(export.values)["value"].to_list() == numbers


def test_merging_dialects_of_the_same_people_adds_nothing(tmp_path: Path) -> None:
    exports = [read(tmp_path, text, f"{dialect}.txt") for dialect, text in DIALECTS.items()]
    random.Random(3).shuffle(exports)
    values, issues = merge_exports(exports)
    assert (values.rows(), issues) == (SAME_PEOPLE, [])


def test_conflicts_keep_the_first_file_by_name(tmp_path: Path) -> None:
    second = read(tmp_path, "eid,31-0.0,34-0.0\n9000001,1,1950\n9000003,1,1950\n", "b.csv")
    third = read(tmp_path, "eid,31-0.0\n9000001,1\n9000003,0\n", "c.csv")
    first = read(tmp_path, "eid,31-0.0\n9000001,0\n", "a.csv")
    values, issues = merge_exports([third, second, first])
    assert values.rows() == [
        (9_000_001, 31, 0, 0, "0"),
        (9_000_001, 34, 0, 0, "1950"),
        (9_000_003, 31, 0, 0, "1"),
        (9_000_003, 34, 0, 0, "1950"),
    ]
    assert [(issue.reason, issue.count, issue.eid, Path(issue.path).name) for issue in issues] == [
        (Reason.TABLE_CONFLICT, 1, 9_000_001, "b.csv"),
        (Reason.TABLE_CONFLICT, 2, None, "c.csv"),
    ]


def test_merging_nothing_is_empty() -> None:
    values, issues = merge_exports([])
    assert (values.schema, values.height, issues) == (VALUES_SCHEMA, 0, [])


def ddl_columns(name: str) -> list[str]:
    text = (ROOT / f"schemas/tables/{name}.sql").read_text()
    body = text.split("(", 1)[1].split(");")[0].split("PRIMARY KEY (")[0]
    return [part.split()[0].strip('"') for part in body.replace("\n", " ").split(",") if part.strip()]


def test_people_visits_and_traits_have_the_columns_of_their_schemas(tmp_path: Path) -> None:
    header = "eid,31-0.0,34-0.0,52-0.0,40000-0.0,40000-1.0,191-0.0,53-2.0,54-2.0,21003-2.0,50-2.0,12144-3.0"
    header += ",4080-2.0,4080-2.1,24103-2.0,24181-3.0"
    text = (
        f"{header}\n9000001,1,1950,6,,2020-02-03,1900-01-01,2015-08-30,11025,65,178.5,171,120,131,55.5,-18.25\n"
        "9000002,,,,,,,,,,,,,,,\n9000003,0,99999,,,,,,,,,,,,,\n"
    )
    export = read(tmp_path, text)
    participants = participants_from(export.values, export.eids)
    assert participants.columns == ddl_columns("participants")
    assert participants.rows() == [
        (9_000_001, "M", 1950, 6, date(2020, 2, 3), None),
        (9_000_002, None, None, None, None, None),
        (9_000_003, "F", None, None, None, None),
    ]
    visits = visits_from(export.values)
    assert visits.columns == ddl_columns("visits")
    assert visits.rows() == [
        (9_000_001, 2, date(2015, 8, 30), 11025, 65.0, 178.5, None, None, 125.5, None),
        (9_000_001, 3, None, None, None, 171.0, None, None, None, None),
    ]
    traits = traits_from(export.values)
    assert traits.columns == ddl_columns("traits")
    assert traits.rows() == [(9_000_001, 2, 24103, 55.5), (9_000_001, 3, 24181, -18.25)]


def test_traits_that_are_not_finite_are_left_out() -> None:
    rows = [(9_000_001, 24103, 2, 0, text) for text in ("inf", "nan", "12.5")]
    assert traits_from(pl.DataFrame(rows, VALUES_SCHEMA, orient="row"))["value"].to_list() == [12.5]


def test_scalars_come_in_their_own_type(tmp_path: Path) -> None:
    values = read(tmp_path, UKBCONV_CSV).values
    assert typed_scalar(values, 4080).rows() == [(9_000_001, 2, 0, 120), (9_000_001, 2, 1, 130)]
    assert typed_scalar(values, 53)["value"].to_list() == [date(2015, 8, 30)]
    assert typed_scalar(values, 41270)["value"].dtype == pl.String
    with pytest.raises(KeyError):
        typed_scalar(values, 1)
