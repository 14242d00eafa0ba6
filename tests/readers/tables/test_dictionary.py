from __future__ import annotations

import csv
import gzip
import re
from datetime import date

import polars as pl

from eccl.readers.tables.diagnosis_codes import find_misaligned
from eccl.readers.tables.dictionary import (
    PLACEHOLDER_DATES,
    TRAIT_FIELDS,
    fields_frame,
    load_dictionary,
)
from eccl.readers.tables.frames import typed_scalar
from tests.support.paths import ROOT, SAMPLES, needs

PUBLIC_SCHEMA = SAMPLES / "ukb_schema" / "field_showcase_2025-09.txt.gz"


def test_all_traits_are_in_the_dictionary_in_order() -> None:
    dictionary = load_dictionary()
    assert tuple(range(24100, 24182)) == TRAIT_FIELDS
    assert [dictionary[field_id].trait_index for field_id in TRAIT_FIELDS] == list(range(82))
    assert {dictionary[field_id].kind for field_id in TRAIT_FIELDS} == {"continuous"}
    assert {dictionary[field_id].category for field_id in TRAIT_FIELDS} == {157}
    assert dictionary[24103].title == "LV ejection fraction"
    assert dictionary[24103].units == "%"
    assert dictionary[24103].instances == (2, 3)
    assert dictionary[31].trait_index is None


def test_short_names_are_unique_sql_names() -> None:
    names = [field.short_name for field in load_dictionary().values() if field.short_name]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z]\w*", name) for name in names)
    assert all(load_dictionary()[field_id].short_name for field_id in TRAIT_FIELDS)


def test_first_occurrences_name_their_code() -> None:
    dictionary = load_dictionary()
    expected = {131296: "I20", 131298: "I21", 131300: "I22", 131306: "I25", 131338: "I42", 131350: "I48", 131354: "I50"}
    assert {field_id: dictionary[field_id].first_occurrence_code for field_id in expected} == expected
    assert dictionary[131299].first_occurrence_code is None
    assert {dictionary[field_id].coding for field_id in expected} == {819}


def test_kinds_follow_value_and_base_type() -> None:
    dictionary = load_dictionary()
    kinds = {31: "integer", 34: "integer", 50: "continuous", 53: "date", 41270: "code", 40001: "code", 12653: "text"}
    assert {field_id: dictionary[field_id].kind for field_id in kinds} == kinds
    assert dictionary[41270].is_arrayed
    assert not dictionary[53].is_arrayed


def test_placeholder_dates_of_both_codings() -> None:
    assert len(PLACEHOLDER_DATES) == 6
    assert {date(1900, 1, 1), date(2037, 7, 7)} < PLACEHOLDER_DATES


def test_a_loaded_dictionary_is_the_callers_own() -> None:
    changed = load_dictionary()
    changed.pop(31)
    assert 31 in load_dictionary()


@needs(PUBLIC_SCHEMA)
def test_shipped_fields_agree_with_the_public_schema() -> None:
    with gzip.open(PUBLIC_SCHEMA, "rt", encoding="latin-1", newline="") as stream:
        public = {int(row["field_id"]): row for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)}
    for field_id, field in load_dictionary().items():
        row = public[field_id]
        assert field.title == row["title"].strip()
        assert (field.units or "") == row["units"].strip()
        assert (field.category, field.coding or 0) == (int(row["main_category"]), int(row["encoding_id"]))
        assert field.instances == (int(row["instance_min"]), int(row["instance_max"]))
        assert field.arrays == (int(row["array_min"]), int(row["array_max"]))


def test_the_table_of_fields_matches_its_schema() -> None:
    frame = fields_frame(load_dictionary(), {24100, 31})
    ddl = (ROOT / "schemas/tables/fields.sql").read_text().split(");")[0]
    assert all(name in ddl for name in frame.columns)
    assert frame["field_id"].to_list() == [31, 24100]
    assert frame["trait_index"].to_list() == [None, 0]
    assert frame["value_type"].to_list() == ["categorical_single", "continuous"]


def test_an_empty_long_form_gives_empty_tables() -> None:
    schema = {"eid": pl.Int64, "field_id": pl.Int32, "instance": pl.Int16, "array_index": pl.Int16, "value": pl.String}
    empty = pl.DataFrame(schema=schema)
    assert typed_scalar(empty, 53).is_empty()
    assert find_misaligned(empty) == []
