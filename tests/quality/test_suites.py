"""The suites as files: canonical, complete, and safe to show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from benchmarks.big_cohort import time_suites, write_big_cohort
from eccl.data.database import COHORT_TABLES, empty_table
from eccl.errors import ConfigError, GateError
from eccl.quality.frames import computed_columns, facts, frame_statements, read_limits, read_statements
from eccl.quality.suites import Suite, column_name, columns_of, load_suite, load_suites, suites_folder
from eccl.workspace import Workspace, shipped

FILES = sorted(suites_folder().glob("*.json"))
# Expectations that report an aggregate of the column's values.
AGGREGATES = (
    "max_to_be",
    "min_to_be",
    "mean_to_be",
    "sum_to_be",
    "distinct_values",
    "most_common",
    "quantile",
    "type_to_be",
)


def dump_suite(suite: Suite) -> str:
    """Return the canonical text of a suite: sorted, one expectation per line, no ids."""
    keys = ("type", "kwargs", "meta", "severity", "notes")
    kept = [{key: one[key] for key in keys if one.get(key)} for one in sorted(suite.expectations, key=sort_key)]
    lines = (json.dumps(one | {"kwargs": dict(sorted(one["kwargs"].items()))}, ensure_ascii=False) for one in kept)
    head = f'"name": "{suite.name}",\n  "meta": {{"table": "{suite.table}"}}'
    notes = json.dumps(suite.notes, ensure_ascii=False)
    body = ",\n".join(f"    {line}" for line in lines)
    return f'{{\n  {head},\n  "notes": {notes},\n  "expectations": [\n{body}\n  ]\n}}\n'


def sort_key(expectation: dict[str, Any]) -> tuple[bool, str, str, str]:
    column = column_name(expectation)
    return (column is not None, column or "", expectation["type"], json.dumps(expectation["kwargs"], sort_keys=True))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file_is_canonical(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert dump_suite(load_suite(file)) == text
    assert '"id"' not in text
    assert "great_expectations_version" not in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_library_reads_the_file_without_changes(file: Path) -> None:
    from eccl.quality.engine import Engine

    engine = Engine({})
    suite = load_suite(file)
    given = engine._gx.ExpectationSuite(name=suite.name, expectations=list(suite.expectations)).to_json_dict()
    again = Suite(given["name"], suite.table, suite.notes, tuple(given["expectations"]))
    assert dump_suite(again) == file.read_text(encoding="utf-8")


def test_every_table_and_frame_has_a_suite(cohort: ModuleType) -> None:
    names = {file.stem for file in FILES}
    assert names == {*frame_statements(), "facts"}
    assert set(cohort.table_names()) <= names


@pytest.mark.parametrize("table", COHORT_TABLES)
def test_every_column_has_a_check_beyond_its_presence(table: str) -> None:
    [suite] = [suite for suite in load_suites() if suite.name == table]
    checked = {
        column
        for found in suite.expectations
        if not found["type"].endswith(("not_be_null", "match_set"))
        for column in columns_of(found)
    }
    derived = " ".join(computed_columns(table)[column] for column in checked & set(computed_columns(table)))
    between_tables = " ".join(query for query in facts().values() if re.search(rf"\b{table}\b", query))
    exempt = {"fields": {"title"}}.get(table, set())  # any text will do
    unchecked = {
        column
        for column in empty_table(table).schema.names
        if column not in checked and not re.search(rf"\b{column}\b", derived + between_tables)
    }
    assert unchecked == exempt


@pytest.mark.parametrize("suite", sorted(frame_statements()))
def test_every_computed_column_has_an_expectation(suite: str) -> None:
    [found] = [one for one in load_suites() if one.name == suite]
    assert set(computed_columns(suite)) <= {column for one in found.expectations for column in columns_of(one)}


def test_every_fact_has_one_expectation() -> None:
    [suite] = [suite for suite in load_suites() if suite.name == "facts"]
    assert sorted(column for found in suite.expectations for column in columns_of(found)) == sorted(facts())


def test_no_aggregate_of_a_key_is_reported() -> None:
    for suite in load_suites():
        for found in suite.expectations:
            if any(word in found["type"] for word in AGGREGATES):
                assert suite.name == "facts", found


def test_every_parameter_is_known(tmp_path: Path) -> None:
    known = read_limits(Workspace(tmp_path))
    used = {
        value["$PARAMETER"]
        for suite in load_suites()
        for found in suite.expectations
        for value in found["kwargs"].values()
        if isinstance(value, dict)
    }
    assert used <= set(known)
    assert {"window_px", "splits", "diseases"} <= used


def test_every_not_null_column_has_a_null_check() -> None:
    suites = {suite.name: suite for suite in load_suites()}
    hidden = {"path", "detail", "remedy"}
    for name, suite in suites.items():
        file = shipped("schemas") / "tables" / f"{name}.sql"
        if not file.is_file():
            continue
        connection = duckdb.connect()
        connection.execute(file.read_text()).fetchall()
        required = {row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall() if row[2] == "NO"}
        checked = {
            c for found in suite.expectations if found["type"].endswith("not_be_null") for c in columns_of(found)
        }
        assert required - hidden <= checked, name


def test_the_cohort_that_the_benchmark_measures_is_valid(tmp_path: Path) -> None:
    times = time_suites(write_big_cohort(tmp_path / "big", 1200))
    # Only those with labels are in its tabular export: sex and year of birth of the others are missing, a warning each.
    assert {one.suite: one.failed for one in times if one.failed} == {"participants": 2}
    assert {one.suite for one in times if one.rows == 1200} >= {"recordings", "cines", "visits", "pairs", "labels"}


def test_a_statement_must_be_unique(tmp_path: Path) -> None:
    file = tmp_path / "pairs.sql"
    file.write_text("-- name: one\nSELECT 1\n\n-- name: one\nSELECT 2\n")
    with pytest.raises(ConfigError, match="occurs twice"):
        read_statements(file)


def test_a_suite_without_severity_is_an_error(tmp_path: Path) -> None:
    expectation = {"type": "expect_column_to_exist", "kwargs": {"column": "eid"}, "notes": "A key."}
    file = tmp_path / "splits.json"
    file.write_text(json.dumps({"name": "splits", "meta": {"table": "splits"}, "expectations": [expectation]}))
    with pytest.raises(GateError, match="severity"):
        load_suite(file)
    with pytest.raises(GateError, match="no expectation suite"):
        load_suites(tmp_path / "nowhere")
