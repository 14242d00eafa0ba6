"""Two writers at once: the error of the second names the holder of the lock and its start; the lock of a dead process does not block."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
from pathlib import Path

import pytest

from eccl.data.lock import writing
from eccl.errors import LockedError
from eccl.ingest.run import run_ingest
from tests.faults.harness import ECCL, Scenario, begin, count_changes, needs_proc, start, wait_for
from tests.support.workspaces import tree_of


@needs_proc
def test_a_second_ingest_is_refused_and_the_first_completes(first: Scenario, tmp_path: Path) -> None:
    place = first.copy_to(tmp_path / "workspace")
    changed = count_changes(place.data)
    holder = start(place, first.raw, workers=1)
    assert wait_for(lambda: changed() > 6, holder)
    holder.send_signal(signal.SIGSTOP)  # so that it cannot end before the other one has begun
    second = begin(ECCL, "ingest", str(first.raw), cwd=place.root)
    out, words = second.communicate(timeout=1200)
    with pytest.raises(LockedError, match=f"process {holder.pid} "):
        run_ingest(place, first.raw, workers=1)
    holder.send_signal(signal.SIGCONT)
    _, trouble = holder.communicate(timeout=1200)
    assert (second.returncode, out) == (1, "")
    assert re.search(
        rf"eccl: .* being written by `eccl ingest` \(process {holder.pid} on \S+, for \d+ s\); wait", words
    )
    assert "Traceback" not in words
    assert holder.returncode == 0, trouble
    assert tree_of(place.data) == first.whole


def test_the_note_of_a_dead_holder_blocks_nobody(first: Scenario, tmp_path: Path) -> None:
    place = first.copy_to(tmp_path / "workspace")
    place.state.mkdir()
    (place.state / "write.lock").write_text(json.dumps({"what": "ingest", "pid": 1, "host": "gone", "since": 0.0}))
    with writing(place.state, "publish"):
        assert json.loads((place.state / "write.lock").read_text())["pid"] == os.getpid()
    assert (place.state / "write.lock").read_text() == ""


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b'{"what": "ing',
        b"\xff\xfe\x00",
        b'{"pid": 7}',
        b"[]",
        b'{"what": "ingest", "pid": 7, "host": "h", "since": "noon"}',
    ],
)
def test_an_unreadable_note_still_means_somebody(note: bytes, tmp_path: Path) -> None:
    path = tmp_path / "write.lock"
    path.write_bytes(note)
    with path.open("rb+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="being written by another process; wait"), writing(tmp_path, "ingest"):
            pass
    assert path.read_bytes() == note
