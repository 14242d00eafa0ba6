"""An ingest skips participants with a tombstone, from any source and under any name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

import pyarrow.parquet as pq

from eccl.data.parts import read_table
from eccl.ingest.raw.discover import Discovery, RawFile
from eccl.ingest.raw.raw_files import LocalFiles
from eccl.ingest.run import run_ingest
from eccl.ledger.tombstones import Tombstones
from eccl.workspace import Workspace

GONE, STAYS = 9_000_001, 9_000_002


@dataclass(frozen=True)
class Elsewhere:
    """A source that is not a folder and has no withdrawal list."""

    folder: Path

    def discover(self) -> Discovery:
        files = tuple(RawFile(eid, 2, "ecg", "recipe", 1, None) for eid in (GONE, STAYS))
        return Discovery({"ecg": files, "cine": ()}, {"ecg": 0, "cine": 0}, {"ecg": 0, "cine": 0}, (), (), frozenset())

    @property
    def files(self) -> LocalFiles:
        return LocalFiles(self.folder)

    @contextmanager
    def fetch(self, file: RawFile) -> Iterator[NoReturn]:
        assert file.eid != GONE
        raise OSError
        yield


def test_withdrawn_participants_of_any_source_are_skipped(
    new_workspace: Callable[[], Workspace], tmp_path: Path
) -> None:
    place = new_workspace()
    Tombstones.add(place, [GONE], date(2026, 3, 1), "2026-03-01-1")
    report = run_ingest(place, Elsewhere(tmp_path / "none"), workers=1)
    assert (report.kinds[0].expected, report.kinds[0].skipped) == (2, {"withdrawn": 1})
    assert {row["eid"] for row in read_table(place.data, "quarantine").to_pylist()} == {STAYS}


def test_files_and_rows_under_any_name_are_skipped(new_workspace: Callable[[], Workspace], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for eid in (GONE, STAYS):
        (raw / f"{eid}_20205.xml").write_text("a name without a visit")
    header, rows = "eid,31-0.0,54-2.0", [f"{GONE},0,11025", f"{STAYS},1,nowhere", f"{GONE},1,11025", f"{GONE},1"]
    (raw / "ukb1.csv").write_text("\n".join([header, *rows]) + "\n")
    place = new_workspace()
    first = run_ingest(place, raw, workers=1)
    assert first.kinds[0].quarantined == {"bad_name": 2}
    assert holds(place, GONE)
    assert holds(place, STAYS)
    Tombstones.add(place, [GONE], date(2026, 3, 1), "2026-03-01-1")
    report = run_ingest(place, raw, workers=1)
    assert (report.kinds[0].skipped, report.kinds[0].quarantined) == ({"withdrawn": 1}, {"bad_name": 1})
    assert not holds(place, GONE)
    assert holds(place, STAYS)
    assert not run_ingest(place, raw, workers=1).is_changed


def holds(place: Workspace, eid: int) -> bool:
    return any(str(eid) in str(pq.read_table(file).to_pylist()) for file in place.tables.rglob("*.parquet"))
