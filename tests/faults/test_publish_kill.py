"""A kill during `eccl publish`: analysts keep an answer, old or new; the next publication leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from eccl.data.files import TEMPORARY_PREFIX
from eccl.ingest.run import run_ingest
from eccl.ledger.releases import read_ledger
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.faults.harness import ECCL, Answer, Scenario, answer_of, begin, needs_proc, wait_for

MOMENTS = ("started", "building", "released", "copying")

pytestmark = [needs_proc, pytest.mark.slow]


@pytest.fixture(scope="module")
def news(append: Scenario, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Answer]:
    """A workspace whose published store is older than its data, and what the next one will answer."""
    place = append.copy_to(tmp_path_factory.mktemp("publish") / "news")
    run_ingest(place, append.raw, workers=1)
    after = Workspace(Path(shutil.copytree(place.root, place.root.parent / "after")))
    publish(after)
    return place, answer_of(after)


@pytest.fixture(scope="module")
def moments() -> Iterator[Counter[str]]:
    found: Counter[str] = Counter()
    yield found
    print("\npublish: " + ", ".join(f"{count} {name}" for name, count in sorted(found.items())))


def has_come(place: Workspace, moment: str) -> bool:
    """Whether a publication reached a step, from the files on disk."""
    if moment == "started":
        return (place.state / "write.lock").stat().st_size > 0
    if moment == "building":
        return any(place.releases.glob(f"{TEMPORARY_PREFIX}*"))
    if moment == "released":
        return len(list(place.releases.glob("2*.duckdb"))) > 1
    return any(place.root.glob(f"{TEMPORARY_PREFIX}*"))


def bare_count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        return int(connection.execute("SELECT count(*) FROM recordings").fetchall()[0][0])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_publication(
    moment: str, news: tuple[Workspace, Answer], append: Scenario, moments: Counter[str], tmp_path: Path
) -> None:
    source, after = news
    place = Workspace(Path(shutil.copytree(source.root, tmp_path / "workspace")))
    before = answer_of(place)
    assert before == append.answer
    process = begin(ECCL, "publish", cwd=place.root)
    came = wait_for(lambda: has_come(place, moment), process)
    if came and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    moments[moment if process.returncode == -signal.SIGKILL else "over before"] += 1
    assert answer_of(place) in (before, after)
    assert bare_count(place.database) in (before[1][1], after[1][1])
    publish(place)
    assert answer_of(place) == after
    assert bare_count(place.database) == after[1][1]
    assert {f"{release.name}.duckdb" for release in read_ledger(place).releases} == {
        path.name for path in place.releases.iterdir()
    }


def test_a_copy_that_was_cut_short_is_swept(news: tuple[Workspace, Answer], tmp_path: Path) -> None:
    place = Workspace(Path(shutil.copytree(news[0].root, tmp_path / "workspace")))
    (place.root / f"{TEMPORARY_PREFIX}77-eccl.duckdb").write_bytes(place.database.read_bytes()[:4096])
    publish(place)
    assert not list(place.root.glob(f"{TEMPORARY_PREFIX}*"))
