"""git and DVC as child processes, and the lock of a workspace for DVC commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eccl.errors import LockedError, VersionError
from eccl.versioning import repository
from eccl.versioning.repository import dvc_lock, follow_dvc, run_git

HOLD = """
import sys, time
from pathlib import Path
from eccl.versioning.repository import dvc_lock
with dvc_lock(Path(sys.argv[1]), "dvc repro align"):
    print("held", flush=True)
    time.sleep(600)
"""

BUSY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def test_one_dvc_command_at_a_time(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(LockedError, match=rf"busy with `dvc repro align, process {other.pid}`.*`dvc push`"),
            dvc_lock(tmp_path, "dvc push", wait_s=0.5),
        ):
            pass
        other.kill()
    with dvc_lock(tmp_path, "dvc push", wait_s=0.5):  # the kernel released the dead holder's lock
        pass


def test_lines_are_passed_on_and_the_exit_status_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_DVC", (sys.executable, "-c"))
    program = (
        f"import os; print('a'); print(); print(os.environ['ECCL_WORKSPACE'] == {str(tmp_path)!r}); raise SystemExit(3)"
    )
    lines: list[str] = []
    assert follow_dvc(tmp_path, program, on_line=lines.append) == 3
    assert lines == ["a", "True"]


def test_an_exception_ends_dvc_and_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_DVC", (sys.executable, "-c"))
    started: list[int] = []

    def stop(line: str) -> None:
        started.extend(map(int, line.split()))
        raise TimeoutError

    with pytest.raises(TimeoutError):
        follow_dvc(tmp_path, BUSY, on_line=stop)
    assert len(started) == 2
    until = time.monotonic() + 60
    while any(map(_is_running, started)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_is_running, started))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_failed_command_is_an_error_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="`git log` failed: fatal: not a git repository"):
        run_git(tmp_path, "log")
    assert run_git(tmp_path, "log", check=False) == ""
