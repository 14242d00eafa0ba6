"""A kill at any instant, then the same command again: the result is that of an undisturbed run, byte for byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from eccl.store.parts import table_files
from eccl.workspace import Workspace
from tests.conftest import tree_of

COMMAND = (
    "import sys; from pathlib import Path; from eccl.workspace import Workspace; from eccl.ingest.run import run_ingest; \
run_ingest(Workspace(Path(sys.argv[1])), Path(sys.argv[2]), workers=int(sys.argv[3]))"
)


def start(place: Workspace, raw: Path, workers: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", COMMAND, str(place.root), str(raw), str(workers)]
    return subprocess.Popen(arguments, start_new_session=True, stderr=subprocess.DEVNULL)


def test_workers_die_with_a_killed_parent(
    raw_cohort: Path, ingested: Workspace, new_workspace: Callable[[], Workspace]
) -> None:
    place = new_workspace()
    process = start(place, raw_cohort, workers=2)
    deadline = time.monotonic() + 120
    while process.poll() is None and not table_files(place.data, "cines") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()  # the parent alone; nobody tells its workers
    process.wait()
    final = start(place, raw_cohort, workers=2)
    assert final.wait() == 0
    assert tree_of(place.data) == tree_of(ingested.data)


@pytest.mark.parametrize("seed", range(3))
def test_kill_and_run_again(
    seed: int, raw_cohort: Path, ingested: Workspace, new_workspace: Callable[[], Workspace]
) -> None:
    place = new_workspace()
    random_delay = random.Random(seed)
    kills = 0
    for _ in range(3):
        process = start(place, raw_cohort, workers=1 + seed % 2)
        # Wait until the first part appears on one of the tries, so that at least one kill falls between commits.
        deadline = time.monotonic() + 60
        while kills and process.poll() is None and not table_files(place.data, "cines") and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(random_delay.uniform(0.0, 1.2))
        if process.poll() is None:
            kills += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert kills
    final = start(place, raw_cohort, workers=1)
    assert final.wait() == 0
    assert tree_of(place.data) == tree_of(ingested.data)
