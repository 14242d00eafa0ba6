from __future__ import annotations

from pathlib import Path

import pytest

from eccl.data.files import atomic_path, replace_file, sweep


def test_a_failed_write_leaves_the_previous_file_and_no_leftover(tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    target.write_text("before")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_swapped_whole(tmp_path: Path) -> None:
    target = tmp_path / "run"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [target]


def test_equal_content_is_not_written_again(tmp_path: Path) -> None:
    target = tmp_path / "zarr.json"
    assert replace_file(target, b"{}")
    stamp = target.stat().st_mtime_ns
    assert not replace_file(target, b"{}")
    assert target.stat().st_mtime_ns == stamp


def test_sweep_removes_what_killed_writers_left(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".tmp-12-part.parquet").write_text("half")
    (tmp_path / "deep" / "part.parquet").write_text("whole")
    assert sweep(tmp_path) == 1
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["part.parquet"]
