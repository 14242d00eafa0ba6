"""A new workspace: parameters, stages and the experiment table as shipped, under git and DVC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from eccl.data.files import atomic_path
from eccl.errors import WorkspaceError
from eccl.versioning.repository import run_dvc, run_git
from eccl.versioning.versions import without_sample
from eccl.workspace import Workspace, shipped

EXPERIMENTS = "experiments"
IGNORED = """\
/data
/raw/
/models/
/features/
/reports/
/eccl.duckdb
/eccl.duckdb.*
/releases/
/ledger/releases.json
/ledger/exports.jsonl
/.tombstone-key
/.eccl/
.tmp-*
"""


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
    check_new_folder(folder)
    # Created under a temporary name: an interrupted start leaves no incomplete workspace.
    with atomic_path(folder.resolve()) as temporary:
        temporary.mkdir()
        _fill(temporary, settings or {})
    return Workspace(folder.resolve())


def check_new_folder(folder: Path) -> None:
    """Require a folder that does not exist or is empty.

    Raises
    ------
    WorkspaceError
        The folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise WorkspaceError(f"{folder} is not empty; give a new folder, or delete this one")


def _fill(folder: Path, settings: Mapping[str, str | int]) -> None:
    (folder / "dvc.yaml").write_text(without_sample(shipped("dvc.yaml").read_text()))
    (folder / "params.yaml").write_text(_with_settings(shipped("params.yaml").read_text(), settings))
    (folder / EXPERIMENTS).mkdir()
    (folder / EXPERIMENTS / "arms.yaml").write_text(shipped("experiments/arms.yaml").read_text())
    (folder / ".gitignore").write_text(IGNORED)
    run_git(folder, "init", "--quiet", "--initial-branch", "main")
    if not run_git(folder, "config", "user.email", check=False):
        run_git(folder, "config", "user.name", "eccl")
        run_git(folder, "config", "user.email", "eccl@localhost")
    run_dvc(folder, "init", "--quiet")
    # `dvc config` would start two more processes for these lines.
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "-m", "New workspace")


def _with_settings(text: str, settings: Mapping[str, str | int]) -> str:
    for key, value in settings.items():
        text, count = re.subn(rf"(?m)^(\s*{re.escape(key)}:\s*)\S+", rf"\g<1>{value}", text, count=1)
        if not count:
            raise WorkspaceError(f"params.yaml has no key {key}; see the shipped params.yaml for its keys")
    return text
