from __future__ import annotations

import subprocess
from pathlib import Path

from tests.id_guard import find_ids

ROOT = Path(__file__).resolve().parents[1]


def test_tracked_files_hold_no_participant_id() -> None:
    assert find_ids(ROOT) == []


def test_guard_sees_ids_in_content_and_names(tmp_path: Path) -> None:
    suspect = str(1_234_560 + 7)
    (tmp_path / "notes.txt").write_text(f"first line\nsee {suspect} there\n")
    (tmp_path / f"{suspect}.txt").write_text("x")
    (tmp_path / "fine.txt").write_text(f"9000001 12{suspect} 0.{suspect} rs{suspect}")
    (tmp_path / "data.dvc").write_text(f"- md5: {'a' * 20}{suspect}{'b' * 5}\n  size: {suspect}\n  eid: {suspect}\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    assert sorted(find_ids(tmp_path)) == [f"{suspect}.txt: file name", "data.dvc:3", "notes.txt:2"]
