"""A workspace with data, runs, features, caches and published stores, and a withdrawal list outside of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from eccl.data.files import replace_file
from eccl.data.parts import read_table
from eccl.features.materialized import write_materialization
from eccl.ledger.exports import record_export
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.runs import finish_every_run, view_rows
from tests.support.workspaces import copy_data

KEY = "5a" * 32
STRANGER = 9_999_999  # on the list, never ingested


@dataclass(frozen=True)
class Study:
    """Everything a withdrawal must reach."""

    place: Workspace
    raw: Path
    listed: Path
    gone: frozenset[int]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key for all workspaces of a test, so that their tombstones can be compared."""
    monkeypatch.setenv("ECCL_TOMBSTONE_KEY", KEY)


@pytest.fixture(scope="session")
def complete(ingested: Workspace, raw_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study before the withdrawal; tests copy it."""
    folder = tmp_path_factory.mktemp("complete")
    raw = folder / "raw files"
    shutil.copytree(raw_cohort, raw)
    place = copy_data(ingested, folder / "place")
    finish_every_run(place)
    materialize(place)
    remember(place, raw)
    publish(place)
    gone = choose(place)
    listed = folder / "w99999_20260301.csv"
    listed.write_text("".join(f"{eid}\r\n" for eid in sorted({*gone, STRANGER})))
    return Study(place, raw, listed, gone)


@pytest.fixture
def study(complete: Study, tmp_path: Path) -> Study:
    """A study of one's own."""
    mine = copy_study(complete, tmp_path / "study")
    remember(mine.place, mine.raw)
    return mine


def copy_study(study: Study, folder: Path) -> Study:
    """Copy a study; times are kept, so that caches hold."""
    folder.mkdir(parents=True)
    shutil.copytree(study.place.root, folder / "place")
    shutil.copytree(study.raw, folder / "raw files")
    shutil.copy2(study.listed, folder)
    return Study(Workspace(folder / "place"), folder / "raw files", folder / study.listed.name, study.gone)


def choose(place: Workspace) -> frozenset[int]:
    """A participant of train with two visits, one of another split, and one with a refused file."""
    splits = dict(
        zip(*(column.to_pylist() for column in read_table(place.data, "splits", ["eid", "split"]).columns), strict=True)
    )
    pairs = read_table(place.data, "pairs", ["eid"]).column(0).to_pylist()
    twice = next(eid for eid in pairs if pairs.count(eid) > 1)
    other = next(eid for eid in pairs if splits[eid] != splits[twice])
    refused = [
        row["eid"]
        for row in read_table(place.data, "quarantine").to_pylist()
        if row["row"] is not None and row["eid"] not in {twice, other}
    ]
    assert refused
    return frozenset({twice, other, refused[0]})


def remember(place: Workspace, raw: Path) -> None:
    """Caches as an ingest and an interrupted training leave them."""
    entries = {
        str(file.resolve()): [file.stat().st_size, file.stat().st_mtime_ns, "0" * 64] for file in raw.rglob("*_*_*_*.*")
    }
    replace_file(place.state / "seen.json", json.dumps(entries).encode())
    replace_file(place.state / "tables.json", b"{}")
    replace_file(place.checkpoints / "align-I50-000000000000.pt", b"weights")


def materialize(place: Workspace) -> None:
    """Rows of align-I50 that were materialized on an earlier data version."""
    record = json.loads((place.run_folder("align-I50") / "run.json").read_text())
    rows = view_rows(place, "ecg_embedding", "align-I50", record["run_id"], version="0" * 16)
    rows = rows.select(pq.read_schema(place.features / "ecg_embedding/align-I50.parquet").names)
    content = {
        "run": "align-I50", "run_id": record["run_id"], "data_version": "0" * 16, "reason": "materialized", "gate": None,
        "added": {"ecg_embedding": rows.num_rows}, "visits_with_before": {}, "visits_with_after": {}, "visits": {}, "code_version": "0",
    }  # fmt: skip
    write_materialization(place.features, content, {"ecg_embedding": rows})


def export_pairs(study: Study) -> Path:
    """An answer that left as a file."""
    out = study.place.root.parent / "pairs.parquet"
    rows = read_table(study.place.data, "pairs", ["eid", "split"])
    pq.write_table(rows, out)
    record_export(study.place, out, "2026-01-01", has_eid=True, rows=rows.num_rows)
    return out
