from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eccl.training.__main__ import main
from eccl.workspace import Workspace
from tests.support.synthetic import build_workspace


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Data and a passed gate, nothing trained; read it, do not write into it."""
    return build_workspace(tmp_path_factory.mktemp("cohort") / "workspace")


@pytest.fixture(scope="session")
def trained(untrained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All three stages for the traits and for one disease."""
    root = tmp_path_factory.mktemp("trained") / "workspace"
    shutil.copytree(untrained.root, root)
    for arguments in (
        ["pretrain_ecg"],
        ["pretrain_cmr", "--task", "traits"],
        ["align", "--task", "traits"],
        ["pretrain_cmr", "--task", "I50"],
        ["align", "--task", "I50"],
    ):
        assert main([*arguments, "--workspace", str(root)]) == 0
    return Workspace(root)


@pytest.fixture
def copy_of(tmp_path: Path) -> object:
    """Function that copies a workspace, so that a test may change it."""

    def copy(workspace: Workspace) -> Workspace:
        return Workspace(Path(shutil.copytree(workspace.root, tmp_path / "copy")))

    return copy
