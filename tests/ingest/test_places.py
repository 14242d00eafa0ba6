"""A place that is away, or half away, refuses no file and empties no table."""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eccl.data.arrays import prepare_array, read_rows, write_shard
from eccl.data.layouts import ecg_specs
from eccl.data.lock import writing
from eccl.data.parts import read_table
from eccl.errors import SourceError, WorkspaceError
from eccl.ingest.raw import source as sources
from eccl.ingest.raw.raw_files import LocalFiles
from eccl.ingest.run import run_ingest, session
from eccl.workspace import Workspace
from tests.support.workspaces import tree_of

Make = Callable[[str], Workspace]


@pytest.fixture
def filled(ingested: Workspace, new_workspace: Make) -> Workspace:
    """A workspace of one's own with the simulated cohort."""
    place = new_workspace("filled")
    shutil.copytree(ingested.data, place.data)
    return place


def test_an_empty_folder_is_no_cohort(filled: Workspace, tmp_path: Path) -> None:
    before = tree_of(filled.data)
    (tmp_path / "mount point").mkdir()
    with pytest.raises(WorkspaceError, match=r"nothing in .*mount it"):
        run_ingest(filled, tmp_path / "mount point", workers=1)
    assert tree_of(filled.data) == before


def test_tables_that_lie_elsewhere_are_not_emptied(filled: Workspace, raw_cohort: Path, tmp_path: Path) -> None:
    before = tree_of(filled.data)
    raw = tmp_path / "without tables"
    shutil.copytree(
        raw_cohort, raw, ignore=shutil.ignore_patterns("ukb*", "*.tab", "*.tsv", "part*.csv", "dataset*", "*.csv")
    )
    for listed in raw_cohort.rglob("w*_*.csv"):
        shutil.copy(listed, raw)
    with pytest.raises(WorkspaceError, match=r"no tabular export found, where [0-9]+ traits and diagnoses"):
        run_ingest(filled, raw, workers=1)
    assert {name: digest for name, digest in tree_of(filled.data).items() if name in before} == before


def test_a_table_that_cannot_be_read_tonight_is_read_tomorrow(
    filled: Workspace, raw_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree_of(filled.data)
    from eccl.ingest import tabular as tables

    right = tables.read_table

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(tables, "read_table", refuse)
    with pytest.raises(SourceError, match="PermissionError"):
        run_ingest(filled, raw_cohort, workers=1)
    monkeypatch.setattr(tables, "read_table", right)
    assert not run_ingest(filled, raw_cohort, workers=1).is_changed
    assert tree_of(filled.data) == before


@pytest.mark.parametrize("how", ["renamed", "unmounted"])
def test_a_lost_mount_quarantines_nothing(how: str, raw_cohort: Path, new_workspace: Make, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(raw_cohort, raw)
    place = new_workspace("study")
    with session(place, raw) as ingest:
        raw.rename(tmp_path / "away")
        if how == "unmounted":
            raw.mkdir()
        with pytest.raises(SourceError, match="cannot be reached any more"):
            ingest.work(ingest.batches[0])
    assert not list(place.data.rglob("*.parquet"))
    if how == "unmounted":
        raw.rmdir()
    (tmp_path / "away").rename(raw)
    assert run_ingest(place, raw, workers=1).kinds[0].written > 0


@pytest.mark.slow
def test_a_file_replaced_between_hash_and_content_waits(
    raw_cohort: Path, new_workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    file = max(raw_cohort.rglob("*_20205_*.xml"), key=lambda path: path.stat().st_size)
    target = Path(shutil.copy(file, raw))
    right = sources.sha256_file

    def hash_then_replace(path: Path) -> str:
        digest = right(path)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-1] + b" ")
        return digest

    monkeypatch.setattr(sources, "sha256_file", hash_then_replace)
    place = new_workspace("study")
    assert run_ingest(place, raw, workers=1).kinds[0].quarantined == {"unreadable": 1}
    monkeypatch.setattr(sources, "sha256_file", right)
    assert run_ingest(place, raw, workers=1).kinds[0].written == 1
    (row,) = read_table(place.data, "recordings").to_pylist()
    assert row["file_sha256"] == right(target)


@pytest.mark.slow
def test_reading_again_twice_is_reading_again_once(ingested: Workspace, raw_cohort: Path, filled: Workspace) -> None:
    for _ in range(2):
        run_ingest(filled, raw_cohort, workers=1, retry=True)
    assert tree_of(filled.data) == tree_of(ingested.data)


def test_threads_that_write_shards_share_no_name(tmp_path: Path) -> None:
    spec = ecg_specs(2)[0]
    prepare_array(tmp_path, spec, 4)
    records = {row: np.full((12, 5000), row + 1, np.int16) for row in range(8)}
    threads = [
        threading.Thread(target=write_shard, args=(tmp_path, spec, shard, {row: records[row] for row in rows}))
        for shard, rows in enumerate([(0, 1), (2, 3), (4, 5), (6, 7)])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (read_rows(tmp_path, spec.name, list(range(8))) == np.stack(list(records.values()))).all()
    assert not list(tmp_path.rglob(".tmp-*"))


@pytest.mark.slow
def test_a_writer_waits_for_a_batch_that_outlived_its_flow(tmp_path: Path) -> None:
    (tmp_path / "batches").mkdir()
    order: list[str] = []
    orphan = (tmp_path / "batches" / "ecg-00000.lock").open("a")
    fcntl.flock(orphan, fcntl.LOCK_EX)

    def withdraw() -> None:
        with writing(tmp_path, "withdraw"):
            order.append("withdraw")

    thread = threading.Thread(target=withdraw)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    order.append("orphan commits")
    orphan.close()
    thread.join()
    assert order == ["orphan commits", "withdraw"]


def test_a_folder_that_is_empty_is_not_there(tmp_path: Path) -> None:
    assert not LocalFiles(tmp_path / "none").is_there()
    (tmp_path / "empty").mkdir()
    assert not LocalFiles(tmp_path / "empty").is_there()
    assert LocalFiles(tmp_path).is_there()
