"""A disk that fills up: a clear error, the previous version whole, and completion once there is room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import ECCL, LONG, ROOT, Scenario, answer_of, begin, check_complete, check_instant

pytestmark = pytest.mark.slow

# With a limit on the size of a file instead of the disk's: works everywhere, and for every process of the run.
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY)); "

SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98) if LONG else (0.2, 0.8)


def can_mount(folder: Path) -> bool:
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def filled(first: Scenario, append: Scenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What happened on disks with room for a part of what has to be written."""
    folder = tmp_path_factory.mktemp("disk")
    if not can_mount(folder):
        pytest.skip(
            "this machine does not allow to mount a tmpfs in a user namespace (unshare --map-root-user --mount)"
        )
    jobs: list[str] = []
    for scenario in (first, append):
        there = sum(pages(path) for path in (scenario.before / "data").rglob("*"))
        wanted = sum(pages(path) for path in scenario.whole_at.rglob("*"))
        for share in SHARES:
            root = folder / f"{scenario.name} {share}"
            scenario.copy_to(root)
            jobs += [str(root), str(scenario.raw), str(there + int((wanted - there) * share))]
    outcomes = fill(jobs)
    return {"first": outcomes[: len(SHARES)], "append": outcomes[len(SHARES) :]}


def fill(jobs: list[str]) -> list[Any]:
    script = str(Path(__file__).with_name("on_small_disk.py"))
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, script, *jobs],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes: list[Any] = json.loads(done.stdout)
    assert len(outcomes) == 2 * len(SHARES)
    return outcomes


def pages(path: Path) -> int:
    """kB that a file takes of a tmpfs."""
    return -(-path.stat().st_size // 4096) * 4 if path.is_file() else 0


@pytest.mark.parametrize("name", ["first", "append"])
def test_a_full_disk_leaves_the_previous_version_whole(
    name: str, filled: dict[str, list[Any]], first: Scenario, append: Scenario
) -> None:
    for outcome in filled[name]:
        assert outcome["error"] is not None
        assert outcome["leftovers"] == []
        assert outcome["lost"] == []
        assert outcome["whole"] == (first if name == "first" else append).whole
    assert filled[name][-1]["written"] > filled[name][0]["written"]


@pytest.mark.parametrize("name", ["first", "append"])
def test_a_full_disk_is_told_in_words(name: str, filled: dict[str, list[Any]]) -> None:
    for outcome in filled[name]:
        assert "EcclError" in outcome["error"]
        assert "run the same command again" in outcome["message"]


def test_a_full_disk_is_one_line_for_the_user(append: Scenario, tmp_path: Path) -> None:
    place = append.copy_to(tmp_path / "workspace")
    process = begin(LIMITED.format(size=150_000) + ECCL, "ingest", str(append.raw), "--workers", "1", cwd=place.root)
    _, words = process.communicate(timeout=1200)
    check_instant(place)
    assert answer_of(place) == append.answer
    check_complete(append, place)
    assert process.returncode == 1
    assert "Traceback" not in words, words[-600:]
    assert "eccl: no room to write" in words
