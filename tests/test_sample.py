"""The sample version that ships with the repository, from a fresh clone, offline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eccl.data.parts import data_version
from eccl.features.store import open_store
from eccl.publishing.publish import publish
from eccl.versioning.versions import list_versions
from eccl.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("clone") / "eccl"
    done = run(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
    assert done.returncode == 0, done.stderr
    pulled = run(folder, sys.executable, "-m", "dvc", "pull", "--quiet")
    assert pulled.returncode == 0, pulled.stderr
    return Workspace(folder)


def test_pull_brings_the_recorded_version_and_what_was_trained_on_it(clone: Workspace) -> None:
    meta = yaml.safe_load((clone.root / "data.dvc").read_text())["meta"]["eccl"]
    assert data_version(clone.data) == meta["data_version"]
    assert (clone.features / "ecg_embedding" / "align-traits.parquet").is_file()
    assert (clone.run_folder("align-I50") / "weights.safetensors").is_file()
    assert sum(path.stat().st_size for path in clone.data.rglob("*") if path.is_file()) <= 10_000_000


def test_the_sample_can_be_published(clone: Workspace) -> None:
    # What was recorded must fit the schemas of today.
    counts = publish(clone).rows
    with open_store(clone.root) as store:
        rows = store.sql("SELECT count(*), count(DISTINCT teacher_key) FROM features.cmr_teacher").fetchall()
        newest = store.sql("SELECT count(DISTINCT data_version) FROM runs").fetchall()
    assert rows[0][0] > 0
    assert rows[0][1] == 5  # one frozen teacher per task
    assert newest == [(1,)]
    assert counts["features.ecg_embedding"] > 0
    metrics = json.loads((clone.curves("align-traits") / "metrics.json").read_text())
    assert metrics["best_epoch"] >= 1


def test_nothing_but_the_store_is_left_to_do(clone: Workspace) -> None:
    status = run(clone.root, sys.executable, "-m", "dvc", "status", "--json")
    assert status.returncode == 0, status.stderr
    assert set(yaml.safe_load(status.stdout)) <= {"publish"}, status.stdout


def test_all_versions_are_listed_and_the_one_before_comes_back(clone: Workspace) -> None:
    newer, older, *_ = list_versions(clone)
    assert newer.is_current
    assert (older.recordings or 0) < (newer.recordings or 0)
    assert older.git_commit is not None
    for command in older.command.split(" && "):
        words = command.split()
        done = run(clone.root, *([sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]), *words[1:])
        assert done.returncode == 0, done.stderr
    assert data_version(clone.data) == older.data_version
    run(clone.root, "git", "checkout", "HEAD", "--", "data.dvc")
    assert run(clone.root, sys.executable, "-m", "dvc", "checkout", "data.dvc").returncode == 0


def test_no_command_pushes_into_the_sample(clone: Workspace) -> None:
    before = sorted(path.name for path in (clone.root / "sample" / "remote").rglob("*"))
    (clone.root / "models" / "pretrain_ecg" / "mine.txt").write_text("mine")
    run(clone.root, sys.executable, "-m", "dvc", "commit", "--force", "pretrain_ecg")
    (clone.data / "tables" / "mine.txt").write_text("mine")
    run(clone.root, sys.executable, "-m", "dvc", "commit", "--force", "data.dvc")
    assert run(clone.root, sys.executable, "-m", "dvc", "push").returncode != 0
    run(clone.root, sys.executable, "-m", "dvc", "push", "--remote", "sample")
    assert sorted(path.name for path in (clone.root / "sample" / "remote").rglob("*")) == before
