"""Traps of tabular exports: sections C1 to C8 of the fact sheet. Every case has people of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from eccl.errors import Reason

Files = dict[str, bytes]
Row = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TableCase:
    """One trap of tables.

    Parameters
    ----------
    files
        Makes the files by name, for people numbered from the given participant on.
    outcome
        In words, for the page.
    reasons
        Exactly the reasons in quarantine.
    rows
        (table, columns) that must be there; ``person`` 0 is the case's first participant.
    absent
        People who must be in no table.
    """

    id: str
    section: str
    trap: str
    files: Callable[[int], Files]
    outcome: str
    reasons: frozenset[Reason] = frozenset()
    rows: tuple[Row, ...] = ()
    absent: tuple[int, ...] = ()

    def in_words(self) -> str:
        """One line of the page."""
        return ": ".join((self.outcome, ", ".join(f"`{reason.value}`" for reason in sorted(self.reasons)))).rstrip(": ")


def one(text: str, encoding: str = "utf-8", name: str = "export.csv") -> Callable[[int], Files]:
    """One file; `{0}` to `{3}` stand for participants."""
    return lambda first: {name: text.format(*range(first, first + 4)).encode(encoding)}


def two(a: str, b: str) -> Callable[[int], Files]:
    """Two files, a and b."""
    return lambda first: one(a, name="a.csv")(first) | one(b, name="b.csv")(first)


def raw(make: Callable[[bytes], bytes], name: str = "export.csv") -> Callable[[int], Files]:
    """One file with the first participant's digits."""
    return lambda first: {name: make(b"%d" % first)}


def ef(person: int, value: float, instance: int = 2) -> Row:
    return "traits", {"person": person, "instance": instance, "field_id": 24103, "value": value}


def diagnosed(person: int, code: str, day: date | None, source: str = "hospital") -> Row:
    status = "unknown" if day is None else "known"
    return "diagnoses", {"person": person, "code": code, "date": day, "date_status": status, "source": source}


def reasons(*found: Reason) -> frozenset[Reason]:
    return frozenset(found)


PERSON = ("participants", {"person": 0})
I25, I48 = date(2010, 1, 2), date(2011, 3, 4)
BOTH = (diagnosed(0, "I251", I25), diagnosed(0, "I489", I48))
DATES = "participant.p41280_a0,participant.p41280_a1"

CASES: tuple[TableCase, ...] = (
    # C1: dialects
    TableCase("ukbconv_csv", "C1", "`eid`, `24103-2.0`, every cell quoted", one(
        '"eid","31-0.0","24103-2.0"\n"{0}","1","55.10"\n'), "read", rows=(ef(0, 55.1),)),
    TableCase("ukbconv_r", "C1", "`f.eid`, `f.24103.2.0`, tabs, NA", one(
        "f.eid\tf.31.0.0\tf.24103.2.0\tf.24103.3.0\n{0}\t1\t55.1\tNA\n", name="export.tab"), "read", rows=(ef(0, 55.1),)),
    TableCase("r_csv", "C1", "`X24103.2.0`, after R", one('"eid","X31.0.0","X24103.2.0"\n{0},1,55.1\n'), "read",
              rows=(ef(0, 55.1),)),
    TableCase("rap", "C1", "`participant.p24103_i2`", one(
        "participant.eid,participant.p31,participant.p24103_i2\n{0},1,55.1\n"), "read", rows=(ef(0, 55.1),)),
    TableCase("rap_bare", "C1", "`p24103_i2` without entity", one("eid,p31,p24103_i2\n{0},1,55.1\n"), "read",
              rows=(ef(0, 55.1),)),
    TableCase("rap_entity", "C1", "`participant_0001.p24103_i2`", one(
        "participant_0001.eid,participant_0001.p24103_i2\n{0},55.1\n"), "read", rows=(ef(0, 55.1),)),
    TableCase("rap_titles", "C1", "titles for headers", one(
        "Participant ID,Sex,LV ejection fraction | Instance 2\n{0},1,55.1\n"), "read", rows=(ef(0, 55.1),)),
    TableCase("ambiguous_title", "C1", "one column twice under one title, of two fields", one(
        "Participant ID,LV stroke volume | Instance 2,LV stroke volume | Instance 2,Sex\n{0},90,91,1\n"),
        "columns left out, the others read", reasons(Reason.TABLE_HEADER_UNKNOWN), (PERSON,)),
    TableCase("json_list", "C1", "codes as one JSON list, dates in columns", one(
        f'participant.eid,participant.p41270,{DATES}\n{{0}},"[""I251"",""I489""]",2010-01-02,2011-03-04\n'),
        "split, aligned with its dates", rows=BOTH),
    TableCase("bar_list", "C1", "codes between bars, dates in columns", one(
        f"participant.eid,participant.p41270,{DATES}\n{{0}},I251|I489,2010-01-02,2011-03-04\n"),
        "split, aligned with its dates", rows=BOTH),
    TableCase("null_item", "C1", "a null in a JSON list keeps its place", one(
        f'participant.eid,participant.p41270,{DATES}\n{{0}},"[null,""I489""]",2010-01-02,2011-03-04\n'),
        "split, aligned with its dates", rows=(diagnosed(0, "I489", I48),)),
    TableCase("misaligned", "C1", "more dates than codes", one(
        f"participant.eid,participant.p41270,{DATES}\n{{0}},I251,2010-01-02,2011-03-04\n"),
        "codes kept, dates unknown", reasons(Reason.TABLE_CODE_DATE_MISALIGNED), (diagnosed(0, "I251", None),)),
    TableCase("chunks", "C1", "an extraction in chunks of columns", two(
        "participant.eid,participant.p31\n{0},1\n", "participant.eid,participant.p24103_i2\n{0},55.1\n"), "joined",
        rows=(("participants", {"person": 0, "sex": "M"}), ef(0, 55.1))),
    TableCase("two_dialects", "C1", "the same people in two dialects", two(
        "eid,24103-2.0\n{0},55.10\n", "participant.eid,participant.p24103_i2\n{0},55.1\n"), "joined",
        rows=(ef(0, 55.1),)),
    TableCase("conflict", "C1", "two exports with different values", two(
        "eid,24103-2.0\n{0},55.1\n", "eid,24103-2.0\n{0},60\n"), "the first file's value kept",
        reasons(Reason.TABLE_CONFLICT), (ef(0, 55.1),)),
    TableCase("labels", "C1", "labels where codes are expected", one("eid,31-0.0,24103-2.0\n{0},Male,55.1\n"),
              "the column left out", reasons(Reason.TABLE_LABELS_NOT_CODES),
              (("participants", {"person": 0, "sex": None}), ef(0, 55.1))),
    TableCase("labels_mixed", "C1", "labels and codes in one column", one(
        "eid,31-0.0,24103-2.0\n{0},1,55.1\n{1},Female,60\n"), "the column left out",
        reasons(Reason.TABLE_LABELS_NOT_CODES), (("participants", {"person": 0, "sex": None}), ef(1, 60.0))),
    TableCase("negative_codes", "C1", "-1 and -3 are answers and not nulls", one("eid,20116-2.0,1558-2.0\n{0},-3,-1\n"),
              "read", rows=(PERSON,)),
    TableCase("dx_dictionary", "C1", "the files that `dx extract_dataset -ddd` writes beside the data", lambda first: {
        "x.data_dictionary.csv": b"entity,name,type\nparticipant,eid,string\n",
        "x.codings.csv": b"coding_name,code,meaning\ndata_coding_9,0,Female\n",
        "x.entity_dictionary.csv": b"entity,entity_title\nparticipant,Participant\n"}, "quarantined",
        reasons(Reason.TABLE_HEADER_UNKNOWN)),
    # C2: ukbconv
    TableCase("uneven", "C2", "ukbconv's txt, whose rows have uneven tabs", one(
        "f.eid\tf.31.0.0\tf.24103.2.0\n{0}\t1\t55.1\n{1}\t1\t60\t\t\n", name="export.tab"), "the row quarantined",
        reasons(Reason.TABLE_ROW_WIDTH), (ef(0, 55.1),), absent=(1,)),
    TableCase("latin1", "C2", "bytes of ISO 8859-1 in a text", one(
        "eid,24103-2.0,12653-2.0\n{0},55.1,gepr\xfcft\n", "latin-1"), "read", rows=(ef(0, 55.1),)),
    TableCase("encrypted", "C2", "an encrypted download beside the tables", lambda first: {
        "ukb99999.enc": bytes(range(256)), "ukb99999.enc_ukb": bytes(200)}, "not read"),
    TableCase("utf16", "C2", "saved by a spreadsheet program as UTF-16", one("eid,24103-2.0\n{0},55.1\n", "utf-16"),
              "quarantined", reasons(Reason.TABLE_ENCODING), absent=(0,)),
    # C3: rows of withdrawn participants
    TableCase("negative_eid", "C3", "negative participants", one("eid,24103-2.0\n{0},55.1\n-1,1\n-17,2\n"),
              "the rows left out and counted", rows=(ef(0, 55.1),)),
    TableCase("replaced_eid", "C3", "participants written W000001", one("eid,24103-2.0\n{0},55.1\nW000001,1\n"),
              "the rows left out and counted", rows=(ef(0, 55.1),)),
    TableCase("withdrawn", "C3", "a participant of a withdrawal list", one("eid,24103-2.0\n{0},55.1\n{1},60\n"),
              "left out of every table", rows=(ef(0, 55.1),), absent=(1,)),
    # C4: types
    TableCase("not_number", "C4", "text where the dictionary declares a number", one(
        "eid,24103-2.0,24101-2.0\n{0},n/a,60\n{1},55.1,61\n"), "the cell quarantined", reasons(Reason.TABLE_VALUE_TYPE),
        (ef(1, 55.1), ("traits", {"person": 0, "field_id": 24101, "value": 60.0}))),
    TableCase("not_finite", "C4", "infinity where the dictionary declares a number", one("eid,24103-2.0\n{0},inf\n"),
              "the cell quarantined", reasons(Reason.TABLE_VALUE_TYPE), (PERSON,)),
    TableCase("not_date", "C4", "days that no calendar has", one("eid,53-2.0\n{0},2015-02-30\n{1},0000-01-01\n"),
              "the cells quarantined", reasons(Reason.TABLE_VALUE_TYPE), (PERSON,)),
    TableCase("unknown_field", "C4", "columns that are not in the dictionary", one(
        "eid,999999-0.0,24103-2.0\n{0},1,55.1\n"), "counted, the others read", rows=(ef(0, 55.1),)),
    # C5: traits
    TableCase("blocks", "C5", "traits missing by block", one("eid,24103-2.0,24110-2.0,24120-2.0\n{0},55.1,,NA\n"),
              "no row where no value is", rows=(ef(0, 55.1),)),
    TableCase("pipeline", "C5", "25931, whose array index is a pipeline's version", one(
        "eid,25931-2.0,25931-2.1,24103-2.0\n{0},a,b,55.1\n"), "read", rows=(ef(0, 55.1),)),
    TableCase("instance_3", "C5", "traits of the repeat visit", one("eid,24103-3.0\n{0},55.1\n"), "read",
              rows=(ef(0, 55.1, 3), ("visits", {"person": 0, "instance": 3}))),
    # C6: codes and dates
    TableCase("placeholders", "C6", "dates that stand for something else than a date", one(
        "eid,131298-0.0,131338-0.0,131350-0.0,131354-0.0\n{0},1900-01-01,1902-02-02,2037-07-07,2015-05-06\n"),
        "the event kept, its date unknown", rows=(
            diagnosed(0, "I21", None, "first_occurrence"), diagnosed(0, "I42", None, "first_occurrence"),
            diagnosed(0, "I48", None, "first_occurrence"), diagnosed(0, "I50", date(2015, 5, 6), "first_occurrence"))),
    TableCase("source_only", "C6", "a first occurrence with its source and without its date", one(
        "eid,131299-0.0\n{0},40\n"), "the event kept, its date unknown", rows=(diagnosed(0, "I21", None, "first_occurrence"),)),
    TableCase("dotted", "C6", "ICD-10 with a dot", one("eid,41270-0.0,41280-0.0\n{0},I25.1,2010-01-02\n"),
              "the dot left out", rows=(diagnosed(0, "I251", I25),)),
    TableCase("three_characters", "C6", "ICD-10 of three characters, and I21X", one(
        "eid,41270-0.0,41270-0.1,41280-0.0,41280-0.1\n{0},I42,I21X,2010-01-02,2011-03-04\n"), "read",
        rows=(diagnosed(0, "I42", I25), diagnosed(0, "I21X", I48))),
    TableCase("death", "C6", "causes of death with the date of death", one(
        "eid,40000-0.0,40001-0.0,40002-0.1\n{0},2011-03-04,I219,I500\n"), "read with their date",
        rows=(diagnosed(0, "I219", I48, "death"), diagnosed(0, "I500", I48, "death"))),
    # C8: participants
    TableCase("no_eid", "C8", "no participant column", one("31-0.0,24103-2.0\n1,55.1\n"), "quarantined",
              reasons(Reason.TABLE_HEADER_UNKNOWN)),
    TableCase("no_header", "C8", "no header", one("{0},1,55.1\n{1},0,60\n", name="export.tab"), "quarantined",
              reasons(Reason.TABLE_HEADER_UNKNOWN), absent=(0, 1)),
    TableCase("text_eid", "C8", "a participant that is no number", one("eid,24103-2.0\n{0},55.1\nabc,60\n"),
              "the row quarantined", reasons(Reason.TABLE_EID), (ef(0, 55.1),)),
    TableCase("float_eid", "C8", "a participant written as 9000000.0", one("eid,24103-2.0\n{0}.0,55.1\n"), "read",
              rows=(ef(0, 55.1),)),
    TableCase("twice", "C8", "a participant in two rows", one("eid,24103-2.0\n{0},55.1\n{0},60\n"),
              "the first row kept", reasons(Reason.TABLE_DUPLICATE_KEY), (ef(0, 55.1),)),
    # hostile
    TableCase("many_columns", "hostile", "a million columns", raw(
        lambda eid: b"eid," + b",".join(b"%d" % n for n in range(1_000_000)) + b"\n" + eid + b"\n"), "quarantined",
        reasons(Reason.TABLE_ROW_WIDTH), absent=(0,)),
    TableCase("columns_200000", "hostile", "200,000 columns", raw(
        lambda eid: b"eid," + b",".join(b"%d" % n for n in range(200_000)) + b"\n" + eid + b"\n"), "quarantined",
        reasons(Reason.TABLE_HEADER_UNKNOWN), absent=(0,)),
    TableCase("zero_bytes", "hostile", "zero bytes", raw(lambda eid: b"eid,24103-2.0\n" + eid + b",55.1\0\n"), "quarantined",
              reasons(Reason.TABLE_ENCODING), absent=(0,)),
    TableCase("cell_100_mb", "hostile", "a cell of 100 MB", raw(
        lambda eid: b"eid,24103-2.0\n" + eid + b"," + b"5" * (100 << 20) + b"\n"), "quarantined",
        reasons(Reason.TABLE_ROW_WIDTH), absent=(0,)),
    TableCase("quoted_100_mb", "hostile", "a quote that is never closed, 20 MB of rows behind it", raw(
        lambda eid: b'eid,24103-2.0\n"' + eid + b",55.1\n" + (b"1,2" + b" " * 400 + b"\n") * 50_000), "quarantined",
        reasons(Reason.TABLE_ROW_WIDTH), absent=(0,)),
    TableCase("quote", "hostile", "a quote that is never closed", raw(
        lambda eid: b"eid,24103-2.0\n" + eid + b',55.1\n"' + eid + b"9,60\n" + eid + b"8,61\n"),
        "rows before it read, the others quarantined", reasons(Reason.TABLE_ROW_WIDTH), (ef(0, 55.1),)),
    TableCase("quote_in_header", "hostile", "a quote in the header that is never closed", raw(
        lambda eid: b'eid,"' + b"x" * 200_000 + b"\n" + eid + b",1\n"), "quarantined",
        reasons(Reason.TABLE_HEADER_UNKNOWN), absent=(0,)),
    TableCase("line_ends", "hostile", "line ends of Windows, Unix and old Macintosh, and a byte-order mark", raw(
        lambda eid: b"\xef\xbb\xbfeid,24103-2.0\r\n" + eid + b",55.1\r\r\n\n"), "read", rows=(ef(0, 55.1),)),
    TableCase("macintosh", "hostile", "line ends of old Macintosh alone", raw(
        lambda eid: b"eid,24103-2.0\r" + eid + b",55.1\r"), "read", rows=(ef(0, 55.1),)),
    TableCase("blank_lines", "hostile", "blank lines in front of the header", raw(
        lambda eid: b"\n  \r\n\neid,24103-2.0\n" + eid + b",55.1\n"), "read", rows=(ef(0, 55.1),)),
    TableCase("header_twice", "hostile", "a column twice", one("eid,24103-2.0,24103-2.0\n{0},55.1,60\n"),
              "the first column kept", reasons(Reason.TABLE_DUPLICATE_KEY), (ef(0, 55.1),)),
    TableCase("eid_twice", "hostile", "the participant column twice", one("eid,eid,24103-2.0\n{0},{1},55.1\n"),
              "the first column kept", rows=(ef(0, 55.1),), absent=(1,)),
    TableCase("header_again", "hostile", "the header again between rows", one(
        "eid,24103-2.0\n{0},55.1\neid,24103-2.0\n{1},60\n"), "the row quarantined", reasons(Reason.TABLE_EID),
        (ef(0, 55.1), ef(1, 60.0))),
    TableCase("endless_eid", "hostile", "a participant of 5000 digits in a row of another width", raw(
        lambda eid: b"eid,24103-2.0\n" + eid + b",55.1\n" + b"9" * 5_000 + b",1,2\n"), "the row quarantined",
        reasons(Reason.TABLE_ROW_WIDTH), (ef(0, 55.1),)),
    TableCase("endless_field", "hostile", "a field number of 5000 digits", raw(
        lambda eid: b"eid,24103-2.0," + b"9" * 5_000 + b"-0.0\n" + eid + b",55.1,1\n"), "counted, the others read",
        rows=(ef(0, 55.1),)),
    TableCase("blank_name", "hostile", "a column's name of 100,000 blanks", raw(
        lambda eid: b"Participant ID,LV ejection fraction | Instance 2,a" + b" " * 100_000 + b"b\n" + eid + b",55.1,1\n"),
        "counted, the others read", rows=(ef(0, 55.1),)),
    TableCase("endless_list", "hostile", "a list of 100,000 codes", raw(
        lambda eid: b"participant.eid,participant.p41270,participant.p31\n" + eid + b"," + b"I251|" * 100_000 + b",1\n"),
        "the cell quarantined", reasons(Reason.TABLE_VALUE_TYPE), (("participants", {"person": 0, "sex": "M"}),)),
    TableCase("formula", "hostile", "a spreadsheet's formula in a cell", one('eid,24103-2.0\n{0},"=1+1"\n'),
              "the cell quarantined", reasons(Reason.TABLE_VALUE_TYPE), (PERSON,)),
    TableCase("empty", "hostile", "no bytes", lambda first: {"export.csv": b""}, "quarantined", reasons(Reason.EMPTY_FILE)),
    TableCase("zip", "hostile", "a zip named .csv", lambda first: {"export.csv": b"PK\3\4" + bytes(500)}, "quarantined",
              reasons(Reason.TABLE_ENCODING)),
)  # fmt: skip
