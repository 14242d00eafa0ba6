"""No report contains an id in any spelling, even of a cohort that fails everywhere and has ids in every column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eccl.quality.gate import run_gate
from eccl.quality.product.check import check_product
from eccl.quality.results import GateReport
from eccl.quality.suites import load_suites
from eccl.workspace import Workspace

Tables = dict[str, list[dict[str, Any]]]


def spellings(eid: int) -> Iterator[str]:
    """An id as whole number, with separators, as float, and in scientific notation."""
    yield from (f"{eid}", f"{eid:,}", f"{eid:_}", f"{eid:,}".replace(",", " "), f"{eid:,}".replace(",", "."))
    yield from (f"{eid:e}", f"{eid:E}", f"{eid:g}", f"{eid:.6e}", f"{eid / 1e6:.6f}e6", f"{eid:x}", f"{eid / 1000:.3f}")


def fill_with_ids(tables: Tables, cohort: ModuleType) -> None:
    """Put the participant's id into every column that can hold it: all expectations fail on values that are ids."""
    people = [row["eid"] for row in tables["participants"]]
    for name, rows in tables.items():
        if name == "deletions":
            rows.append({"modality": f"{people[0]}", "row": people[0], "certificate": f"{people[0]}"})
        schema = cohort.table_schema(name)
        for number, row in enumerate(rows):
            eid = row.get("eid") or people[number % len(people)]
            for field in schema:
                if field.name in {"eid", "instance", "definition", "code"}:
                    continue
                if pa.types.is_string(field.type):
                    row[field.name] = f"{eid}_20205_2_0.xml"
                elif field.type in {pa.int64(), pa.int32(), pa.float64()} and field.name != "field_id":
                    row[field.name] = eid
    tables["traits"].append(dict(tables["traits"][0]))
    tables["splits"].append(tables["splits"][0] | {"split": "test"})
    for row in tables["labels"]:  # 2,000 and more that are not simulated, all with the disease
        row["value"] = True
    tables["labels"] += [
        {"eid": number, "instance": 2, "code": "I50", "definition": "ever", "value": True} for number in range(1, 2100)
    ]


@pytest.fixture(scope="module")
def failed(cohort: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, GateReport, set[int]]:
    tables = cohort.valid_cohort(16)
    eids = {row["eid"] for row in tables["participants"]}
    fill_with_ids(tables, cohort)
    place = cohort.write_cohort(tmp_path_factory.mktemp("failed") / "cohort", tables)
    report = run_gate(place)
    check_product(place)
    return place, report, eids


def test_every_suite_fails(failed: tuple[Workspace, GateReport, set[int]]) -> None:
    _, report, _ = failed
    assert {row.suite for row in report.failures} >= {suite.name for suite in load_suites()} | {"schemas"}
    assert len(report.failures) > 150


def test_no_byte_of_any_report_is_an_id_or_a_raw_path(failed: tuple[Workspace, GateReport, set[int]]) -> None:
    place, report, eids = failed
    unwanted = {text.encode() for eid in eids for text in spellings(eid)} | {b"_20205_", b"_20209_", b".xml"}
    files = [path for path in place.reports.rglob("*") if path.is_file()]
    named = {path.relative_to(place.reports).parts[0] for path in files}
    assert named == {"gate", "data_docs", "product"}
    pages = [path for path in files if path.suffix == ".html"]
    assert len(pages) > 2 * len(load_suites())
    for path in files:
        content = path.read_bytes() if path.suffix != ".parquet" else _texts(path)
        found = [text for text in unwanted if text in content or text.decode() in path.name]
        assert not found, path.relative_to(place.reports)
    assert not any(f"{eid}" in str(row) for row in report.rows for eid in eids)


def test_the_search_would_find_an_id(failed: tuple[Workspace, GateReport, set[int]]) -> None:
    place, _, eids = failed
    tables = [path for path in place.tables.rglob("*.parquet") if path.stem in {"part-00000", "pairs"}]
    assert all(any(f"{eid}".encode() in _texts(path) for eid in eids) for path in tables)


def _texts(path: Path) -> bytes:
    # Parquet is compressed: its values are what has to be searched.
    return "\n".join(str(row) for row in pq.read_table(path).to_pylist()).encode()
