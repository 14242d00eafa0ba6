"""Raw files that cannot be read, vanish after they were listed, or change while an ingest runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from eccl.data.parts import read_table, table_files
from eccl.ingest.report import IngestReport
from eccl.ingest.run import run_ingest, session
from eccl.workspace import Workspace
from tests.faults.harness import ECCL, INGEST, ROOT, check_instant, check_nothing_lost, make_workspace


@pytest.fixture
def raw(few_raw: Path, tmp_path: Path) -> Path:
    """Four ECGs of one's own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in sorted(few_raw.rglob("*.xml"), key=lambda path: path.stat().st_size)[:4]:
        shutil.copy2(path, folder / path.name)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "workspace")


def without_privileges(program: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python text as a user to whom permissions apply, also if this is root."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        prefix = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
        if shutil.which("setpriv") is None:
            pytest.skip("permissions do not bind root, and setpriv is not here to drop its privileges")
    command = [*prefix, sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def history(place: Workspace) -> int:
    return sum(pq.read_metadata(path).num_rows for path in table_files(place.data, "recordings"))


def test_a_file_without_permission_is_refused_and_read_once_it_may_be(raw: Path, place: Workspace) -> None:
    closed = sorted(raw.iterdir())[1]
    closed.chmod(0)
    done = without_privileges(INGEST, str(place.root), str(raw), "1", "ingest")
    assert done.returncode == 0, done.stderr
    refused = read_table(place.data, "quarantine").to_pylist()
    assert [(row["path"], row["reason"]) for row in refused if row["kind"] == "ecg"][:1] == [
        (closed.name, "unreadable")
    ]
    assert "PermissionError" in refused[0]["detail"]
    check_instant(place)
    check_nothing_lost(place, raw)
    closed.chmod(0o644)
    report = run_ingest(place, raw, workers=1)
    assert (report.kinds[0].written, report.kinds[0].changed) == (1, 1)
    assert closed.name not in {row["path"] for row in read_table(place.data, "quarantine").to_pylist()}
    check_instant(place)


def test_a_folder_that_cannot_be_listed_stops_the_ingest_in_words(raw: Path, place: Workspace) -> None:
    closed = raw / "closed"
    closed.mkdir()
    closed.chmod(0)
    done = without_privileges(ECCL, "ingest", str(raw), cwd=place.root)
    closed.chmod(0o755)
    assert not place.data.exists()  # an ingest without it would lose its files
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be listed (PermissionError)" in done.stderr


def test_a_folder_in_place_of_a_file_is_no_file(raw: Path, place: Workspace) -> None:
    run_ingest(place, raw, workers=1)
    replaced = sorted(raw.iterdir())[0]
    replaced.unlink()
    replaced.mkdir()
    report = run_ingest(place, raw, workers=1)
    assert (report.kinds[0].expected, report.kinds[0].vanished, report.is_changed) == (3, 1, False)
    check_instant(place)


def ingest_while(place: Workspace, raw: Path, change: Path, content: bytes | None) -> IngestReport:
    """Ingest, with one file changed (or gone) after the plan was made and before it is read."""
    with session(place, raw) as ingest:
        if content is None:
            change.unlink()
        else:
            change.write_bytes(content)
        return ingest.finish([ingest.work(batch) for batch in ingest.batches])


@pytest.mark.slow
def test_a_file_that_vanishes_after_it_was_listed(raw: Path, place: Workspace, tmp_path: Path) -> None:
    file = sorted(raw.iterdir())[0]
    kept = shutil.copy2(file, tmp_path / "kept")
    report = ingest_while(place, raw, file, None)
    assert report.kinds[0].quarantined["unreadable"] == 1
    assert report.kinds[0].expected == 4
    check_instant(place)
    assert run_ingest(place, raw, workers=1).kinds[0].vanished == 1
    shutil.copy2(kept, file)
    assert run_ingest(place, raw, workers=1).kinds[0].written == 1
    check_instant(place)
    check_nothing_lost(place, raw)


@pytest.mark.slow
@pytest.mark.parametrize(
    "is_same_time",
    [
        False,
        True,
    ],
    ids=["other time", "same time"],
)
def test_a_file_that_is_cut_off_while_it_is_ingested(
    is_same_time: bool, raw: Path, place: Workspace, tmp_path: Path
) -> None:
    file = max(raw.iterdir(), key=lambda path: path.stat().st_size)
    kept = Path(shutil.copy2(file, tmp_path / "kept"))
    report = ingest_while(place, raw, file, kept.read_bytes()[:50_000])
    assert sum(report.kinds[0].quarantined.values()) >= 1
    check_instant(place)
    check_nothing_lost(place, raw)
    (shutil.copy2 if is_same_time else shutil.copy)(kept, file)
    mended = run_ingest(place, raw, workers=1)
    assert (mended.kinds[0].written, mended.kinds[0].changed) == (1, 1)
    check_instant(place)


@pytest.mark.slow
def test_a_file_that_another_one_replaces_while_it_is_ingested(raw: Path, place: Workspace, tmp_path: Path) -> None:
    file = max(raw.iterdir(), key=lambda path: path.stat().st_size)
    kept = Path(shutil.copy2(file, tmp_path / "kept"))
    other = kept.read_bytes().replace(b'<LowPass units="Hz">100<', b'<LowPass units="Hz">150<')
    ingest_while(place, raw, file, other)
    report = run_ingest(place, raw, workers=1)  # the file that is there now is committed
    current = {row["path"]: row for row in read_table(place.data, "recordings").to_pylist()}
    assert current[file.name]["low_pass_hz"] == 150.0
    assert not report.is_changed
    assert history(place) == len(current)
    check_instant(place)
