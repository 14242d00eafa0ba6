"""The command line: help, errors, and one chain of commands in processes of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import eccl
from eccl.workspace import Workspace
from tests.support.cli import run_cli, run_process
from tests.support.workspaces import copy_all


def test_version(tmp_path: Path) -> None:
    assert run_process("--version", cwd=tmp_path).stdout.strip() == eccl.__version__


def test_outside_a_workspace_the_error_says_what_to_do(tmp_path: Path) -> None:
    done = run_process("sql", "FROM pairs", cwd=tmp_path)
    assert done.returncode == 1
    assert "eccl init FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_parameter_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\ningest: {ecg_shard_rows: 0, shards: 3}\n")
    (tmp_path / "raw").mkdir()
    done = run_cli("ingest", "raw", cwd=tmp_path)
    assert done.returncode == 1
    assert "ingest.ecg_shard_rows" in done.stderr
    assert "ingest.shards" in done.stderr


def test_init_makes_a_repository_once(tmp_path: Path) -> None:
    assert run_cli("init", "study", cwd=tmp_path).returncode == 0
    assert {".git", ".dvc", "params.yaml", "dvc.yaml"} <= {path.name for path in (tmp_path / "study").iterdir()}
    again = run_cli("init", "study", cwd=tmp_path)
    assert again.returncode == 1
    assert "not empty" in again.stderr


def test_dry_run_counts_and_writes_nothing(raw_cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\n")
    done = run_cli("ingest", str(raw_cohort), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"ecg: \d+ files, \d+ to read in 1 batches", done.stdout)
    assert not (tmp_path / "data").exists()


def test_ingest_publishes_what_analysts_can_query_before_any_model(raw_cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\n")
    done = run_process("ingest", str(raw_cohort), "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "expected =" in done.stdout
    answer = run_cli("sql", "SELECT split, count(*) AS n FROM pairs GROUP BY 1", "--json", cwd=tmp_path)
    assert sum(row["n"] for row in json.loads(answer.stdout)) > 0
    for table in ("splits", "labels", "traits_wide", "quarantine"):
        count = run_cli("sql", f"SELECT count(*) AS n FROM {table}", "--csv", cwd=tmp_path)
        assert int(count.stdout.splitlines()[1]) > 0, table
    written = run_cli("sql", "CREATE TABLE mine AS SELECT 1", cwd=tmp_path)
    assert written.returncode == 1
    assert "read-only" in written.stderr


def test_sql_forms(featured: Workspace, tmp_path: Path) -> None:
    place = copy_all(featured, tmp_path / "place")  # an export is recorded in the workspace
    table = run_cli("sql", "SELECT * FROM fields ORDER BY field_id", "--rows", "2", cwd=place.root)
    assert "more rows" in table.stdout
    out = tmp_path / "pairs.parquet"
    assert run_cli("sql", "FROM pairs", "-o", str(out), cwd=place.root).returncode == 0
    assert out.stat().st_size > 0
    wrong = run_cli("sql", "SELECT nothing FROM pairs", cwd=place.root)
    assert wrong.returncode == 1
    assert "Binder Error" in wrong.stderr
