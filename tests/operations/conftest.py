"""Workspaces in several states."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eccl.data.parts import data_version
from eccl.versioning.initialise import init_workspace
from eccl.versioning.repository import run_git
from eccl.versioning.versions import record_version
from eccl.workspace import Workspace
from tests.support.workspaces import copy_data


@pytest.fixture
def place(ingested: Workspace, tmp_path: Path) -> Workspace:
    """Data of one's own: no gate, no runs, no git."""
    return copy_data(ingested, tmp_path / "place")


@pytest.fixture
def set_gate() -> Callable[..., None]:
    """Write a gate's result for the data of a workspace."""

    def write(workspace: Workspace, status: str = "passed", **other: object) -> None:
        verdict = {
            "status": status, "data_version": data_version(workspace.data), "critical_failures": int(status != "passed"),
            "warnings": 0, "expectations": 9, "results_sha256": "0" * 64, "override": None,
        }  # fmt: skip
        workspace.gate.mkdir(parents=True, exist_ok=True)
        (workspace.gate / "gate.json").write_text(json.dumps(verdict | other))

    return write


@pytest.fixture(scope="module")
def recorded(ingested: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace under git and DVC, whose data are recorded with a passed gate; there is no remote."""
    workspace = init_workspace(tmp_path_factory.mktemp("recorded") / "study")
    shutil.copytree(ingested.data, workspace.data)
    shutil.copyfile(ingested.params_file, workspace.params_file)
    run_git(workspace.root, "commit", "--quiet", "--all", "-m", "Small shards")
    verdict = {
        "status": "passed",
        "data_version": data_version(workspace.data),
        "results_sha256": "0" * 64,
        "override": None,
    }
    workspace.gate.mkdir(parents=True)
    (workspace.gate / "gate.json").write_text(json.dumps(verdict | {"critical_failures": 0, "warnings": 0}))
    record_version(workspace)
    return workspace
