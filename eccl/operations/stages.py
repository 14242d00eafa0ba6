"""What DVC says: stages whose inputs changed, and whether the recorded version is on the remote. Each question takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from eccl.errors import VersionError
from eccl.versioning.repository import run_dvc
from eccl.versioning.versions import DVC_FILE, default_remote
from eccl.workspace import Workspace


def changed_stages(workspace: Workspace) -> dict[str, str] | None:
    """Stages that `dvc repro` would run, with the reason; None where DVC cannot say."""
    if not (workspace.root / ".dvc").is_dir():
        return None
    try:
        found: dict[str, Any] = json.loads(run_dvc(workspace.root, "status", "--json"))
    except (VersionError, ValueError):
        return None
    return {name: _reasons(changes) for name, changes in sorted(found.items())}


def remote_name(workspace: Workspace) -> str | None:
    """The user's default remote; None where there is none that can be pushed to."""
    if not (workspace.root / ".dvc").is_dir():
        return None
    try:
        return default_remote(workspace)
    except VersionError:
        return None


def is_pushed(workspace: Workspace, remote: str) -> bool | None:
    """Whether the remote has everything that data.dvc names; None where it cannot be asked."""
    try:
        answer = run_dvc(workspace.root, "status", "--cloud", "--json", "--remote", remote, DVC_FILE)
        return not json.loads(answer)
    except (VersionError, ValueError):
        return None


def _reasons(changes: list[Mapping[str, Mapping[str, str]] | str]) -> str:
    told: list[str] = []
    for change in changes:
        if isinstance(change, str):
            told.append(change)
            continue
        for what, names in change.items():
            listed = sorted(names) if isinstance(names, Mapping) else []
            several = ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
            told.append(f"{what}: {several}".rstrip(": "))
    return "; ".join(told)
