"""Versions with the real git and DVC."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from eccl.data import database
from eccl.data.files import replace_file
from eccl.data.parts import data_version
from eccl.errors import GateError, VersionError
from eccl.versioning import versions
from eccl.versioning.initialise import init_workspace
from eccl.workspace import Workspace


def dvc(place: Workspace, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=place.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def git(place: Workspace, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=place.root, capture_output=True, text=True, check=True).stdout


def put(place: Workspace, people: int) -> None:
    eids = range(9_000_000, 9_000_000 + people)
    rows = pa.table({"eid": list(eids), "sex": ["F"] * people})
    database.write_table(place.data, "participants", rows)


def open_gate(place: Workspace, status: str = "passed", override: str = "null") -> None:
    version = data_version(place.data)
    text = f'{{"status": "{status}", "data_version": "{version}", "critical_failures": 1, "results_sha256": "ab", "override": {override}}}'
    replace_file(place.gate / "gate.json", text.encode())


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "study")


def test_a_version_is_recorded_after_a_passed_gate_and_restored(place: Workspace) -> None:
    put(place, 3)
    open_gate(place)
    first = versions.record_version(place)
    put(place, 5)
    open_gate(place)
    second = versions.record_version(place)
    assert [(v.data_version, v.participants, v.is_current) for v in versions.list_versions(place)] == [
        (second.data_version, 5, True),
        (first.data_version, 3, False),
    ]
    assert git(place, "status", "--porcelain") == ""
    assert "9000000" not in git(place, "log", "--format=%B")
    git(place, "checkout", str(first.git_commit), "--", "data.dvc")
    dvc(place, "checkout", "data.dvc")
    assert data_version(place.data) == first.data_version


def test_recording_the_same_data_again_makes_no_commit(place: Workspace) -> None:
    put(place, 3)
    open_gate(place)
    versions.record_version(place)
    head = git(place, "rev-parse", "HEAD")
    versions.record_version(place)
    assert git(place, "rev-parse", "HEAD") == head


@pytest.mark.parametrize("state", ["missing", "failed", "stale"])
def test_nothing_is_recorded_unless_the_gate_passed(place: Workspace, state: str) -> None:
    put(place, 3)
    if state == "failed":
        open_gate(place, "failed")
    if state == "stale":
        open_gate(place)
        put(place, 4)
    with pytest.raises(GateError, match=r"eccl validate|gate failed"):
        versions.record_version(place)
    assert not (place.root / "data.dvc").exists()


def test_an_override_is_recorded(place: Workspace) -> None:
    put(place, 3)
    open_gate(place, "failed", '"known: pilot data"')
    versions.record_version(place)
    assert "gate overridden" in git(place, "log", "-1", "--format=%B")


def test_push_needs_a_configured_remote(place: Workspace, tmp_path: Path) -> None:
    put(place, 3)
    open_gate(place)
    versions.record_version(place)
    with pytest.raises(VersionError, match="dvc remote add --default"):
        versions.push_version(place)
    dvc(place, "remote", "add", "--default", "mine", str(tmp_path / "remote"))
    assert versions.push_version(place) == "mine"
    assert any((tmp_path / "remote").rglob("*"))


def test_the_sample_remote_is_never_pushed_to(place: Workspace) -> None:
    put(place, 3)
    open_gate(place)
    versions.record_version(place)
    for name in ("sample", "another-name"):
        dvc(place, "remote", "add", "--force", "--default", name, "sample/remote")
        with pytest.raises(VersionError, match="read-only"):
            versions.push_version(place)
    assert not (place.root / "sample" / "remote").exists()


def test_a_users_version_no_longer_points_at_the_sample(place: Workspace) -> None:
    put(place, 3)
    open_gate(place)
    versions.record_version(place)
    path = place.root / "data.dvc"
    path.write_text(path.read_text().replace("  path: data\n", "  path: data\n  remote: sample\n  push: false\n"))
    put(place, 4)
    open_gate(place)
    versions.record_version(place)
    assert "sample" not in path.read_text()
    assert "push" not in path.read_text()
