"""SIGKILL at seeded random points: of everything, of the parent alone, of a worker, of a reader.

``$ECCL_FAULT_RUNS`` sets the number of runs; ``ECCL_LONG=1`` makes it 60. What was hit where is printed at the end (``-s``).
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.harness import (
    ECCL,
    LONG,
    Moment,
    Scenario,
    answer_of,
    begin,
    check_complete,
    check_instant,
    hit,
    needs_proc,
)
from tests.support.workspaces import tree_of

RUNS = int(os.environ.get("ECCL_FAULT_RUNS", "60" if LONG else "6"))
TABLE = (
    ("first", "group", 2),
    ("first", "parent", 2),
    ("append", "worker", 2),
    ("append", "group", 1),
    ("repair", "group", 2),
    ("first", "reader", 1),
    ("append", "parent", 2),
    ("repair", "parent", 2),
    ("first", "worker", 2),
    ("append", "reader", 2),
    ("first", "group", 1),
    ("repair", "worker", 2),
)
TRIES = 6

KILLED_AFTER = """
import os, signal
from eccl.commands import main
replace, count = os.replace, 0

def count_then_kill(*arguments, **options):
    global count
    replace(*arguments, **options)
    count += "/data/" in os.fspath(arguments[1])
    if count == {replaced}:
        os.killpg(0, signal.SIGKILL)

os.replace = count_then_kill
main()
"""
"""Run the command line; the whole process group is killed after some files of data/ were replaced."""

Tally = list[tuple[str, str, str]]

pytestmark = needs_proc


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """Scenario, victim and phase of every hit; printed at the end."""
    hits: Tally = []
    yield hits
    for what, index in (("scenario", 0), ("victim", 1), ("phase", 2)):
        counts = Counter(one[index] for one in hits)
        print(f"\n{what}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())), end="")
    print()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
def test_the_run_after_a_kill_ends_as_if_nothing_had_happened(
    seed: int, scenario_of: Callable[[str], Scenario], tally: Tally, tmp_path: Path
) -> None:
    name, victim, workers = TABLE[seed % len(TABLE)]
    scenario = scenario_of(name)
    rng = random.Random(seed)
    for attempt in range(TRIES):
        place = scenario.copy_to(tmp_path / str(attempt))
        moment = Moment.draw(rng, scenario.changes(only_batches=victim in {"worker", "reader"}))
        where, _ = hit(scenario, place, victim, moment, workers)
        if where != "too late":
            break
    else:
        pytest.fail(f"the run was over before it could be hit, {TRIES} times")
    tally.append((name, victim, where))
    check_instant(place, scenario.damage)
    if scenario.answer is not None:
        assert answer_of(place) == scenario.answer
    check_complete(scenario, place)
    if scenario.answer is not None:
        assert answer_of(place) == scenario.answer


@pytest.mark.slow
@pytest.mark.skipif(RUNS < 50, reason="fewer than 50 runs; ECCL_LONG=1 makes 60")
def test_kills_fell_everywhere(tally: Tally) -> None:
    phases = Counter(where for *_, where in tally)
    assert min(phases[name] for name in ("before the first commit", "between commits", "tables and cohort")) > 3, phases
    assert len(tally) == RUNS


@pytest.mark.parametrize(
    "replaced", [3, pytest.param(1, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)]
)
def test_a_killed_command_is_resumed_by_the_same_command(append: Scenario, tmp_path: Path, replaced: int) -> None:
    place = append.copy_to(tmp_path / "workspace")
    command = ("ingest", str(append.raw), "--workers", "1")
    process = begin(KILLED_AFTER.format(replaced=replaced), *command, cwd=place.root)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    check_instant(place)
    assert answer_of(place) == append.answer
    again = begin(ECCL, *command, cwd=place.root)
    out, words = again.communicate()
    assert again.returncode == 0, words
    assert "(changed)" in out
    assert tree_of(place.data) == append.whole
    assert answer_of(place) != append.answer  # it is published, too


@pytest.mark.slow
def test_a_killed_worker_is_told_in_words(append: Scenario, tmp_path: Path) -> None:
    place = append.copy_to(tmp_path / "workspace")
    where, words = hit(append, place, "worker", Moment(0, in_write=False), workers=2)
    assert where != "too late"
    assert "a worker process was ended from outside" in words.splitlines()[-1]
