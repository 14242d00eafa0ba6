"""One raw folder with every trap of this folder, ingested once."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eccl.data.parts import read_table
from eccl.ingest.report import IngestReport
from eccl.ingest.run import run_ingest
from eccl.workspace import Workspace, shipped
from tests.dirty import cine_cases, ecg_cases, hostile_zips, list_cases, table_cases
from tests.dirty.cine_cases import clean_study
from tests.fuzz.seeds import ecg_file

CINES = (*cine_cases.CASES, *hostile_zips.CASES)
ECG_EID, CINE_EID, TABLE_EID, PLACE_EID = 9_100_000, 9_200_000, 9_400_000, 9_600_000
VISITS_EID = 9_800_000  # who came three times
TABLES = ("participants", "visits", "traits", "diagnoses", "recordings", "cines", "pairs", "splits", "labels")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest of all traps left behind."""

    report: IngestReport
    workspace: Workspace
    tables: dict[str, list[Row]]
    outside_before: dict[str, str]
    outside_after: dict[str, str]
    contacts: int

    def row(self, table: str, eid: int, instance: int = 2) -> Row | None:
        """The row of a visit, or None."""
        return next((r for r in self.tables[table] if (r["eid"], r["instance"]) == (eid, instance)), None)

    def refusals(self, prefix: str, eids: range = range(0)) -> list[Row]:
        """Rows of quarantine of files whose path starts so, or of some participants."""
        rows = self.tables["quarantine"]
        return [row for row in rows if row["path"].startswith(prefix) or (row["eid"] or 0) in eids]


@pytest.fixture(scope="session")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingested]:
    """All traps in one raw folder, ingested in a folder that is watched, beside a server that counts its callers."""
    outer = tmp_path_factory.mktemp("dirty")
    here = Path.cwd()
    with socket.create_server(("127.0.0.1", 0)) as server:
        canary = outer / "secret.txt"
        canary.write_bytes(ecg_cases.CANARY)
        write_raw(outer / "raw", canary, server.getsockname()[1])
        place = new_workspace(outer / "place" / "workspace")
        before = _outside(outer, place)
        (outer / "deep" / "er").mkdir(parents=True)
        os.chdir(outer / "deep" / "er")  # where relative paths would lead from
        try:
            report = run_ingest(place, outer / "raw", workers=1)
        finally:
            os.chdir(here)
        tables = {name: _rows(place, name) for name in (*TABLES, "quarantine")}
        yield Ingested(report, place, tables, before, _outside(outer, place), _count_callers(server))


def write_raw(raw: Path, canary: Path, port: int) -> None:
    """Write every trap under the name of its own participant, as folders on the research platform are called."""
    resting, short_axis = raw / "Electrocardiogram" / "Resting", raw / "Heart MRI" / "Short axis"
    for folder in (resting, short_axis, raw / "tables", raw / "places"):
        folder.mkdir(parents=True)
    clean = ecg_file()
    for number, case in enumerate(ecg_cases.CASES):
        content = case.change(clean).replace(b"{canary}", str(canary).encode()).replace(b"{port}", b"%d" % port)
        (resting / f"{ECG_EID + number}_20205_2_0.xml").write_bytes(content)
    for instance in (2, 3, 4):
        (resting / f"{VISITS_EID}_20205_{instance}_0.xml").write_bytes(clean)
    (resting / f"{VISITS_EID}_20205_2_1.xml").write_bytes(clean)
    study = clean_study()
    for number, case in enumerate(CINES):
        (short_axis / f"{CINE_EID + number}_20209_2_0.zip").write_bytes(case.change(study))
    for number, table in enumerate(table_cases.CASES):
        folder = raw / "tables" / table.id
        folder.mkdir()
        for name, content in table.files(TABLE_EID + 10 * number).items():
            (folder / name).write_bytes(content)
    for place in list_cases.PLACES:
        place.make(raw / "places" / place.name)
    (raw / "w99999_20240101.csv").write_bytes(b"")
    (raw / "w99999_20250101.csv").write_bytes(b"%d\r\n" % (withdrawn_eid()))


def withdrawn_eid() -> int:
    """The participant whom case `withdrawn` of the tables is about."""
    number = next(n for n, case in enumerate(table_cases.CASES) if case.id == "withdrawn")
    return TABLE_EID + 10 * number + 1


def new_workspace(folder: Path) -> Workspace:
    """A bare workspace with several shards."""
    folder.mkdir(parents=True)
    text = shipped("params.yaml").read_text()
    text = text.replace("ecg_shard_rows: 1024", "ecg_shard_rows: 32").replace(
        "cine_shard_rows: 64", "cine_shard_rows: 16"
    )
    (folder / "params.yaml").write_text(text)
    return Workspace(folder)


def _outside(outer: Path, place: Workspace) -> dict[str, str]:
    """Every regular file outside the workspace's data and state, with its hash."""
    return {
        str(path.relative_to(outer)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(outer.rglob("*"))
        if path.is_file() and not path.is_relative_to(place.data) and not path.is_relative_to(place.state)
        if path.stat().st_size < 32 << 20 and not path.is_symlink()
    }


def _rows(place: Workspace, table: str) -> list[Row]:
    found: list[Row] = read_table(place.data, table).to_pylist()
    return found


def _count_callers(server: socket.socket) -> int:
    server.setblocking(False)
    try:
        connection, _ = server.accept()
    except BlockingIOError:
        return 0
    connection.close()
    return 1
