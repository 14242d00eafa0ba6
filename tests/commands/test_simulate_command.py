"""``eccl simulate``, with raw files and directly into a workspace."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.cli import run_cli

SMALL = """\
ingest: {ecg_shard_rows: 4, cine_shard_rows: 3}
simulate:
  participants: 5
  seed: 4
  second_visit_share: 0.2
  missing_ecg_share: 0.0
  missing_cine_share: 0.2
  corruption_share: 0.2
  withdrawn: 1
  slices: [2, 3]
  frames: 12
"""


def test_arrays_are_written_directly_into_a_workspace(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "params.yaml").write_text(SMALL)
    command = ("simulate", "tables", "--into", "study", "--workers", "2")
    done = run_cli(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = re.search(r"without raw files: 5 participants \(.*, (\d+) ECGs, (\d+) cines, .*1 withdrawn", done.stdout)
    assert files, done.stdout
    counts = dict(
        re.findall(r"(ecg|cine): (\d+) expected = \d+ written \+ \d+ skipped \+ \d+ quarantined", done.stdout)
    )
    assert (counts["ecg"], counts["cine"]) == files.groups()
    assert not [path for path in (tmp_path / "tables").rglob("*") if path.suffix in {".xml", ".zip"}]
    answer = run_cli("sql", "SELECT count(*) AS n FROM cines", "--json", cwd=study)
    assert json.loads(answer.stdout)[0]["n"] > 0, answer.stderr
    assert not re.search(r"9\d{6}", done.stdout + done.stderr)

    again = run_cli(*command, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "existed already" in again.stdout
    assert "nothing changed" in again.stdout


def test_raw_files_of_the_same_recipe(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SMALL)
    done = run_cli("simulate", "raw", "--participants", "2", "--seed", "9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 participants" in done.stdout
    assert list((tmp_path / "raw").rglob("*_20209_2_0.zip"))
    other = run_cli("simulate", "raw", "--participants", "2", "--seed", "9", "--into", ".", cwd=tmp_path)
    assert other.returncode == 1
    assert "expected its tables" in other.stderr


def test_a_folder_that_is_not_a_workspace_is_rejected(tmp_path: Path) -> None:
    done = run_cli("simulate", "tables", "--into", "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert "no workspace at" in done.stderr
    assert not (tmp_path / "tables").exists()


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SMALL)
    counted = (
        r"5 participants \(.*\), 1 second visits, (\d+) ECGs, (\d+) cines, 2 files corrupted on purpose, 1 withdrawn"
    )
    for extra, where in (((), "raw files and tables to out"), (("--into", "."), "tables to out, arrays to ")):
        done = run_cli("simulate", "out", *extra, "--dry-run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(where)
        assert re.search(counted, done.stdout), done.stdout
        assert "Nothing was written" in done.stdout
        assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_workspace_with_other_data_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SMALL)
    table = tmp_path / "data" / "tables" / "participants.parquet"
    table.parent.mkdir(parents=True)
    table.write_bytes(b"a study")
    for extra in ((), ("--dry-run",)):
        done = run_cli("simulate", "out", "--into", ".", *extra, cwd=tmp_path)
        assert done.returncode == 1
        assert "which a simulation would replace" in done.stderr
    assert table.read_bytes() == b"a study"
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", "data"}


def test_one_workspace_is_enough(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SMALL)
    done = run_cli("simulate", "out", "--into", ".", "--workspace", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "omit --workspace" in done.stderr
    assert not (tmp_path / "out").exists()
