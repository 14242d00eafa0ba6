"""The gate's files: content, equal bytes for equal data, no participant's id."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eccl.data import database
from eccl.data.parts import data_version, read_table
from eccl.errors import ConfigError, GateError
from eccl.quality.checks import check_slots
from eccl.quality.gate import run_gate
from eccl.versioning.gate import require_passed_gate
from eccl.workspace import Workspace


@pytest.fixture
def place(ingested: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the simulated cohort that a test may break."""
    shutil.copyfile(ingested.params_file, tmp_path / "params.yaml")
    shutil.copytree(ingested.data, tmp_path / "data")
    return Workspace(tmp_path)


def break_it(place: Workspace) -> None:
    """Give every participant of the splits table another split than their pairs have."""
    rows = read_table(place.data, "splits").to_pylist()
    turned = {"train": "test", "val": "train", "test": "val"}
    changed = pa.Table.from_pylist([{**row, "split": turned[row["split"]]} for row in rows])
    database.write_table(place.data, "splits", changed)


def test_the_simulated_cohort_passes_and_its_reports_are_deterministic(place: Workspace) -> None:
    names = ("gate.json", "results.parquet", "summary.html")
    report = run_gate(place, extra_results=check_slots(place, 0))
    assert report.status == "passed", report.failures
    status = require_passed_gate(place)
    assert (status.status, status.data_version) == ("passed", report.data_version)
    results = pq.read_table(place.gate / "results.parquet")
    assert results.schema.names == database.empty_table("validation_results").schema.names
    assert {row["suite"] for row in results.to_pylist()} >= {"arrays", "facts", "recordings", "cines", "phenotypes"}
    page = (place.gate / "summary.html").read_text()  # needs nothing from elsewhere
    assert not any(word in page for word in ("http://", "https://", "<script"))
    first = [(place.gate / name).read_bytes() for name in names]
    run_gate(place, extra_results=check_slots(place, 0))
    assert [(place.gate / name).read_bytes() for name in names] == first


def test_a_failed_gate_blocks_training_contains_no_id_and_records_an_override(place: Workspace) -> None:
    break_it(place)
    report = run_gate(place)
    assert (report.status, report.is_passed) == ("failed", False)
    with pytest.raises(GateError, match="the gate failed"):
        require_passed_gate(place)
    eids = {str(eid).encode() for eid in read_table(place.data, "participants", ["eid"]).column(0).to_pylist()}
    files = [path for path in place.reports.rglob("*") if path.is_file()]
    assert any(path.suffix == ".html" and "data_docs" in path.parts for path in files)
    for path in files:
        content = path.read_bytes()
        assert not any(eid in content or eid in path.name.encode() for eid in eids), path.relative_to(place.reports)
    overridden = run_gate(place, override="pilot: splits are being moved")
    assert overridden.is_passed
    assert json.loads((place.gate / "gate.json").read_text())["status"] == "failed"
    status = require_passed_gate(place)
    assert (status.status, status.override) == ("overridden", "pilot: splits are being moved")
    with pytest.raises(ConfigError, match="blank"):
        run_gate(place, override="  ")


@pytest.mark.parametrize(("older", "status"), [("green", "passed"), ("red", "overridden")])
def test_a_result_with_the_words_of_version_0_1_is_read(place: Workspace, older: str, status: str) -> None:
    content = {"status": older, "data_version": data_version(place.data), "results_sha256": "0", "override": "pilot"}
    place.gate.mkdir(parents=True)
    (place.gate / "gate.json").write_text(json.dumps(content))
    assert require_passed_gate(place).status == status


def test_a_damaged_slot_is_a_critical_failure(place: Workspace) -> None:
    (shard,) = (place.data / "cine.zarr/frames/c/0").rglob("0/0/0")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    rows = check_slots(place, 0)
    assert [(row.column_name, row.severity) for row in rows if not row.success] == [("frames_sha256", "critical")]


def test_a_workspace_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="nothing to validate"):
        run_gate(Workspace(tmp_path))
