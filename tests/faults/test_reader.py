"""A file that hangs, crashes or bloats its reader is refused with the right reason, and the next one is read."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from eccl.config import LimitParams
from eccl.data.parts import table_files
from eccl.errors import EcclError, Reason, Rejected
from eccl.ingest.reader.supervisor import ReaderProcess
from eccl.ingest.record import Record
from eccl.ingest.run import run_ingest
from tests.faults import hostile
from tests.faults.harness import ROOT, Scenario, begin, check_complete, members, needs_proc, wait_for

pytestmark = needs_proc

LIMITS = LimitParams(seconds_per_file=0.3, memory_mb=1024)
# A machine that is busy with everything else takes its time to fill the memory.
PATIENT = LimitParams(seconds_per_file=600, memory_mb=1024)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader process finds modules where its parent does."""
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "raw.xml"
    path.write_text("text of the file")
    return path


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderProcess]:
    """One reader for all cases, as in a batch."""
    reader = ReaderProcess(LIMITS)
    yield reader
    reader.close()


def read_with(reader: ReaderProcess, path: Path, read: Callable[[Path], Record | None]) -> Record:
    return reader.read(path, cast("Callable[[Path], Record]", read))


CASES: tuple[tuple[Callable[[Path], Record | None], Reason, str], ...] = (
    (hostile.hang, Reason.TIME_LIMIT, "longer than 0.3 s"),
    (hostile.spin, Reason.TIME_LIMIT, "longer than 0.3 s"),
    (hostile.abort, Reason.READER_CRASHED, "SIGABRT"),
    (hostile.segfault, Reason.READER_CRASHED, "SIGSEGV"),
    (hostile.leave, Reason.READER_CRASHED, "exit status 3"),
    (hostile.eat, Reason.MEMORY_LIMIT, "more than 1024 MB"),
    (hostile.recurse, Reason.READER_FAILED, "RecursionError"),
    (hostile.fail, Reason.READER_FAILED, "ValueError"),
)


@pytest.mark.parametrize(("read", "reason", "detail"), CASES, ids=[read.__name__ for read, *_ in CASES])
def test_a_hostile_file_is_quarantined_and_the_next_is_read(
    read: Callable[[Path], Record | None], reason: Reason, detail: str, reader: ReaderProcess, file: Path
) -> None:
    reader.limits = LIMITS if reason is Reason.TIME_LIMIT else PATIENT
    with pytest.raises(Rejected) as refusal:
        read_with(reader, file, read)
    assert refusal.value.reason is reason
    assert detail in refusal.value.detail
    assert "text of the file" not in refusal.value.detail
    reader.limits = PATIENT
    assert read_with(reader, file, hostile.answer).columns["size"] == file.stat().st_size
    assert zombies() == []


def test_an_error_of_the_system_is_raised_as_one(reader: ReaderProcess, file: Path) -> None:
    with pytest.raises(PermissionError):
        read_with(reader, file, hostile.refuse_access)
    assert read_with(reader, file, hostile.answer).columns["size"] > 0


def test_a_reader_killed_between_two_files_costs_no_file(reader: ReaderProcess, file: Path) -> None:
    pid = read_with(reader, file, hostile.answer).columns["pid"]
    os.kill(pid, signal.SIGKILL)
    assert read_with(reader, file, hostile.answer).columns["pid"] != pid


def test_closing_ends_the_process(file: Path) -> None:
    reader = ReaderProcess(LIMITS)
    pid = read_with(reader, file, hostile.answer).columns["pid"]
    assert Path(f"/proc/{pid}").exists()
    reader.close()
    assert not Path(f"/proc/{pid}").exists()
    reader.close()


PARENT = """
import sys
from pathlib import Path
from eccl.config import LimitParams
from eccl.ingest.reader.supervisor import ReaderProcess
from tests.faults import hostile
reader = ReaderProcess(LimitParams(seconds_per_file=600))
print(reader.read(Path(sys.argv[1]), hostile.answer).columns["pid"], flush=True)
reader.read(Path(sys.argv[1]), getattr(hostile, sys.argv[2]))
"""


@pytest.mark.parametrize("action", ["answer", "spin"])
def test_a_reader_does_not_outlive_its_parent(action: str, file: Path) -> None:
    program = PARENT + ("" if action == "spin" else "import time; time.sleep(3600)")
    parent = begin(program, str(file), action)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    if action == "spin":
        wait_for(hostile.started(file).exists, parent)
    parent.kill()
    try:
        assert not outlives(pid, seconds=600.0)
    finally:
        _end(pid)
        parent.communicate()
    assert members(parent.pid) == {}


def test_a_reader_that_cannot_start_refuses_no_file(
    first: Scenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = first.copy_to(tmp_path / "workspace")
    text = place.params_file.read_text()
    assert "seconds_per_file: 120 " in text
    # With limits of its own this run starts a reader of its own.
    place.params_file.write_text(text.replace("seconds_per_file: 120 ", "seconds_per_file: 121 "))
    for program in ("/bin/false", "/nowhere/python"):
        with monkeypatch.context() as patch:
            patch.setattr("sys.executable", program)
            with pytest.raises(EcclError, match="process"):
                run_ingest(place, first.raw, workers=1)
        assert table_files(place.data, "quarantine") == []
    check_complete(first, place)


def outlives(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.02)
    return True


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    outlives(pid, 10.0)


def zombies() -> list[str]:
    """Children of this process that ended and were not waited for."""
    listed: Any = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True, text=True)
    return [line for line in listed.stdout.split() if line.startswith("Z")]
