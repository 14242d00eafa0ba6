"""Damage on disk: found by its checksums, repaired from the raw files to the same bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eccl.data.parts import read_table, table_files
from eccl.errors import ChecksumError, EcclError
from eccl.ingest.run import run_ingest
from eccl.quality.checks import check_slots
from eccl.workspace import Workspace
from tests.faults.conftest import damage_of, flip, truncate
from tests.faults.harness import ECCL, Scenario, begin, check_complete, check_instant
from tests.support.workspaces import tree_of

RAW_SHARD, CLEAN_SHARD, CINE_SHARD = "ecg.zarr/raw/c/0/0/0", "ecg.zarr/clean/c/1/0/0", "cine.zarr/frames/c/1/0/0/0"


@pytest.fixture
def whole(first: Scenario, tmp_path: Path) -> Workspace:
    """The first scenario, ingested."""
    root = tmp_path / "workspace"
    shutil.copytree(first.whole_at.parent, root)
    return Workspace(root)


def failed(place: Workspace) -> set[str]:
    """Arrays in which the gate finds damage."""
    return {json.loads(row.expected)["array"] for row in check_slots(place, 0) if row.expected and not row.success}


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "flipped bytes": (RAW_SHARD, lambda path: flip(path, at=0.3)),
    "flipped index": (CLEAN_SHARD, lambda path: flip(path, at=0.999)),
    "truncated": (CINE_SHARD, truncate),
    "empty": (CLEAN_SHARD, make_empty),
    "deleted": (CINE_SHARD, lambda path: path.unlink()),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_shard_is_found_and_repaired_to_the_same_bytes(kind: str, first: Scenario, whole: Workspace) -> None:
    name, spoil = DAMAGE[kind]
    spoil(whole.data / name)
    assert failed(whole) == {name.partition("/c/")[0]}
    damaged = set().union(*damage_of(whole.data).values())
    report = run_ingest(whole, first.raw, workers=1, repair=True)
    assert sum(one.damaged for one in report.kinds) == sum(one.repaired for one in report.kinds) == len(damaged) > 0
    assert not report.is_changed
    assert failed(whole) == set()
    assert tree_of(whole.data) == first.whole


@pytest.mark.slow
def test_a_plain_ingest_does_not_hide_damage(first: Scenario, whole: Workspace) -> None:
    flip(whole.data / RAW_SHARD, at=0.3)
    run_ingest(whole, first.raw, workers=1)
    assert failed(whole) == {"ecg.zarr/raw"}


@pytest.mark.slow
def test_what_has_no_raw_file_any_more_is_counted_and_the_rest_is_repaired(
    first: Scenario, whole: Workspace, tmp_path: Path
) -> None:
    raw = Path(shutil.copytree(first.raw, tmp_path / "raw"))
    lost, other = read_table(whole.data, "recordings").to_pylist()[:2]
    (raw / lost["path"]).unlink()
    (whole.data / RAW_SHARD).unlink()
    report = run_ingest(whole, raw, workers=1, repair=True)
    assert report.kinds[0].damaged - report.kinds[0].repaired == 1
    assert "damaged slots were repaired" in report.describe()
    assert "dvc checkout data.dvc" in report.describe()
    damage = damage_of(whole.data)
    assert damage["ecg.zarr/raw"] == {lost["row"]}
    assert other["row"] not in damage["ecg.zarr/raw"]
    shutil.copy2(first.raw / lost["path"], raw / lost["path"])
    run_ingest(whole, raw, workers=1, repair=True)
    assert tree_of(whole.data) == first.whole


@pytest.mark.slow
def test_a_repair_costs_no_good_record(first: Scenario, whole: Workspace, tmp_path: Path) -> None:
    raw = Path(shutil.copytree(first.raw, tmp_path / "raw"))
    lost = read_table(whole.data, "recordings").to_pylist()[0]
    (raw / lost["path"]).unlink()
    (whole.data / RAW_SHARD).unlink()
    assert damage_of(whole.data)["ecg.zarr/clean"] == frozenset()
    run_ingest(whole, raw, workers=1, repair=True)
    assert damage_of(whole.data)["ecg.zarr/clean"] == frozenset()


@pytest.mark.slow
def test_damage_of_a_superseded_row_is_counted(append: Scenario, tmp_path: Path) -> None:
    place = Workspace(Path(shutil.copytree(append.whole_at.parent, tmp_path / "workspace")))
    everything = {
        row["row"] for path in table_files(place.data, "recordings") for row in pq.read_table(path).to_pylist()
    }
    current = set(read_table(place.data, "recordings", ["row"]).column("row").to_pylist())
    (superseded,) = everything - current
    (place.data / f"ecg.zarr/raw/c/{superseded // 3}/0/0").unlink()
    damaged = damage_of(place.data)["ecg.zarr/raw"]
    assert superseded in damaged
    report = run_ingest(place, append.raw, workers=1, repair=True)
    assert (report.kinds[0].damaged, report.kinds[0].repaired) == (len(damaged), len(damaged) - 1)
    assert damage_of(place.data)["ecg.zarr/raw"] == {superseded}
    assert failed(place) == set()


@pytest.mark.slow
def test_an_append_does_not_seal_damage(append: Scenario, tmp_path: Path) -> None:
    place = append.copy_to(tmp_path / "workspace")
    tail = max((place.data / "cine.zarr/frames/c").iterdir(), key=lambda path: int(path.name)) / "0/0/0"
    flip(tail, at=0.3)
    before = damage_of(place.data)
    assert before["cine.zarr/frames"]
    with pytest.raises(ChecksumError, match="eccl ingest RAW --repair"):
        run_ingest(place, append.raw, workers=1)
    check_instant(place, before)
    report = run_ingest(place, append.raw, workers=1, repair=True)
    assert report.kinds[1].repaired == len(before["cine.zarr/frames"])
    assert tree_of(place.data) == append.whole


METADATA: dict[str, Callable[[Path], None]] = {
    "no JSON": lambda path: flip(path, at=0.1, count=8),
    "empty": make_empty,
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "no JSON",
        "empty",
        "deleted",
    ],
)
def test_metadata_of_an_array_is_made_again(kind: str, first: Scenario, whole: Workspace) -> None:
    METADATA[kind](whole.data / "ecg.zarr/raw/zarr.json")
    assert failed(whole) == {"ecg.zarr/raw"}
    if kind != "deleted":
        with pytest.raises(EcclError, match="--repair"):
            run_ingest(whole, first.raw, workers=1)
    run_ingest(whole, first.raw, workers=1, repair=True)
    assert tree_of(whole.data) == first.whole


def spoil_part(path: Path, kind: str) -> None:
    if kind == "truncated":
        truncate(path)
    else:
        flip(path, at=0.0, count=8)
        flip(path, at=0.95, count=4096)


@pytest.mark.slow
@pytest.mark.parametrize("table", ["recordings", "cines", "quarantine"])
@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_a_lost_part_is_made_again_with_the_same_bytes(
    kind: str, table: str, first: Scenario, whole: Workspace
) -> None:
    part = next(path for path in table_files(whole.data, table) if not path.name.startswith("table"))
    spoil_part(part, kind)
    with pytest.raises((pa.ArrowException, OSError, EcclError)):  # the next test checks the message
        run_ingest(whole, first.raw, workers=1)
    part.unlink()
    check_complete(first, whole)


def test_a_damaged_part_is_told_in_words(first: Scenario, whole: Workspace) -> None:
    part = table_files(whole.data, "recordings")[0]
    truncate(part)
    done = begin(ECCL, "ingest", str(first.raw), cwd=whole.root)
    _, words = done.communicate(timeout=1200)
    assert done.returncode == 1
    assert "Traceback" not in words
    assert f"tables/recordings/{part.name} cannot be read" in words
    assert "dvc checkout data.dvc" in words


@pytest.mark.slow
@pytest.mark.parametrize("table", ["traits", "pairs"])
def test_a_damaged_table_is_made_again(table: str, first: Scenario, whole: Workspace) -> None:
    truncate(whole.data / f"tables/{table}.parquet")
    check_complete(first, whole)


def test_a_damaged_table_of_splits_is_not_made_again_unasked(first: Scenario, whole: Workspace) -> None:
    splits = whole.data / "tables/splits.parquet"  # splits must not change, so the old ones are compared
    truncate(splits)
    with pytest.raises(
        EcclError, match=r"tables/splits\.parquet cannot be read .* delete it and run `eccl ingest RAW`"
    ):
        run_ingest(whole, first.raw, workers=1)
    splits.unlink()
    check_complete(first, whole)
