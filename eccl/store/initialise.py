"""A new workspace: parameters and stages as shipped, under git and DVC."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from eccl.errors import VersionError, WorkspaceError
from eccl.workspace import Workspace, shipped

IGNORED = "/data\n/raw/\n/models/\n/features/\n/reports/\n/eccl.duckdb\n/eccl.duckdb.*\n/.eccl/\n"


def init_workspace(folder: Path, settings: Mapping[str, str | int] | None = None) -> Workspace:
    """Make a workspace in an empty folder.

    Parameters
    ----------
    settings
        Values of params.yaml to change, by key name; keys must be unique in the file.

    Raises
    ------
    WorkspaceError
        The folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise WorkspaceError(f"{folder} is not empty; give a new folder, or delete this one")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(shipped("dvc.yaml"), folder / "dvc.yaml")
    (folder / "params.yaml").write_text(_with_settings(shipped("params.yaml").read_text(), settings or {}))
    (folder / ".gitignore").write_text(IGNORED)
    _run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    if not _has_identity(folder):
        _run(folder, "git", "config", "user.name", "eccl")
        _run(folder, "git", "config", "user.email", "eccl@localhost")
    _run(folder, sys.executable, "-m", "dvc", "init", "--quiet")
    _run(folder, sys.executable, "-m", "dvc", "config", "core.analytics", "false")
    _run(folder, sys.executable, "-m", "dvc", "config", "core.check_update", "false")
    _run(folder, "git", "add", "--all")
    _run(folder, "git", "commit", "--quiet", "-m", "New workspace")
    return Workspace(folder.resolve())


def _with_settings(text: str, settings: Mapping[str, str | int]) -> str:
    for key, value in settings.items():
        text, count = re.subn(rf"(?m)^(\s*{re.escape(key)}:\s*)\S+", rf"\g<1>{value}", text, count=1)
        if not count:
            raise WorkspaceError(f"params.yaml has no key {key}; see the shipped params.yaml for its keys")
    return text


def _has_identity(folder: Path) -> bool:
    return subprocess.run(["git", "config", "user.email"], cwd=folder, capture_output=True, check=False).returncode == 0


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VersionError(f"`{' '.join(command[-3:])}` failed while making the workspace: {done.stderr.strip()[-300:]}")
