"""Three things a fault may meet: a first ingest, an append that rewrites tail shards, and a repair."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eccl.data.arrays import find_damaged
from eccl.data.parts import read_files, read_table, table_files
from eccl.ingest.run import run_ingest
from eccl.modalities import MODALITIES
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.faults.harness import Damage, Scenario, answer_of, make_workspace
from tests.support.workspaces import tree_of

ECGS, CINES = 7, 5


def copy_raw(files: list[Path], source: Path, target: Path) -> Path:
    for path in files:
        (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target / path.relative_to(source))
    return target


@pytest.fixture(scope="session")
def few_raw(raw_cohort: Path, ingested: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen raw files of the simulated cohort, a refused one and a large one among them, with its tables and list."""
    refused = [raw_cohort / row["path"] for row in read_table(ingested.data, "quarantine").to_pylist()]
    refused = [path for path in refused if path.suffix == ".xml"][:1]
    good = [raw_cohort / row["path"] for row in read_table(ingested.data, "recordings").to_pylist()]
    cines = [raw_cohort / row["path"] for row in read_table(ingested.data, "cines").to_pylist()][:CINES]
    rest = [path for path in raw_cohort.rglob("*.csv") if path.is_file()]
    assert refused
    return copy_raw(
        [*refused, *good[: ECGS - 1], *cines, *rest], raw_cohort, tmp_path_factory.mktemp("raw") / "few files"
    )


@pytest.fixture(scope="session")
def first(few_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """An empty workspace and all files."""
    before = make_workspace(tmp_path_factory.mktemp("first") / "before").root
    whole = Workspace(shutil.copytree(before, before.parent / "whole"))
    run_ingest(whole, few_raw, workers=1)
    return Scenario("first", before, few_raw, False, tree_of(whole.data), whole.data, damage={}, answer=None)


@pytest.fixture(scope="session")
def append(few_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Some visits ingested and published before; then the others, and a changed file. Tail shards are rewritten."""
    folder = tmp_path_factory.mktemp("append")
    ecgs = sorted(few_raw.rglob("*.xml"), key=lambda path: path.stat().st_size)[:4]
    cines = sorted(few_raw.rglob("*.zip"))[:3]
    some = copy_raw([*ecgs, *cines, *few_raw.rglob("*.csv")], few_raw, folder / "some")
    before = make_workspace(folder / "before")
    run_ingest(before, some, workers=1)
    publish(before)
    raw = Path(shutil.copytree(few_raw, folder / "all"))
    changed = raw / read_table(before.data, "recordings").to_pylist()[0]["path"]
    content = changed.read_bytes()
    changed.write_bytes(content.replace(b'<LowPass units="Hz">100<', b'<LowPass units="Hz">150<'))
    assert changed.read_bytes() != content
    whole = Workspace(shutil.copytree(before.root, folder / "whole"))
    report = run_ingest(whole, raw, workers=1)
    assert report.kinds[0].changed == 1
    return Scenario("append", before.root, raw, False, tree_of(whole.data), whole.data, {}, answer_of(before))


@pytest.fixture(scope="session")
def repair(first: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """A published workspace whose shards were damaged in every way; everything can be read again."""
    before = first.copy_to(tmp_path_factory.mktemp("repair") / "before")
    run_ingest(before, first.raw, workers=1)
    publish(before)
    for number, shard in enumerate(sorted(before.data.glob("ecg.zarr/raw/c/*/0/0"))):
        flip(shard, at=0.2 + 0.2 * number)
    truncate(before.data / "ecg.zarr/clean/c/0/0/0")
    (before.data / "cine.zarr/frames/c/1/0/0/0").unlink()
    flip(before.data / "cine.zarr/frames/c/2/0/0/0", at=0.3)
    damage = damage_of(before.data)
    assert all(damage.values())
    return Scenario("repair", before.root, first.raw, True, first.whole, first.whole_at, damage, answer_of(before))


@pytest.fixture
def scenario_of(request: pytest.FixtureRequest) -> Callable[[str], Scenario]:
    """A scenario by its name; only those asked for are made."""

    def get(name: str) -> Scenario:
        found = request.getfixturevalue(name)
        assert isinstance(found, Scenario)
        return found

    return get


def flip(path: Path, *, at: float, count: int = 64) -> None:
    """Damage some bytes of a file, at a share of its length."""
    content = bytearray(path.read_bytes())
    first = int(len(content) * at)
    for position in range(first, min(first + count, len(content))):
        content[position] ^= 0xFF
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut a file to half of its length."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_of(data: Path) -> Damage:
    """Committed slots that do not read back, by array."""
    found: dict[str, frozenset[int]] = {}
    for table, array, column in ((m.table, a, c) for m in MODALITIES for a, c in m.arrays.items()):
        rows = read_files(table_files(data, table), ["row", column])
        wrong = find_damaged(data, array, rows.column("row").to_pylist(), rows.column(column).to_pylist())
        found[array] = frozenset(wrong)
    return found
