"""git and DVC as the workspace's own commands; their failures are ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from eccl.errors import VersionError

_WITHOUT_GIT = re.compile(r"^\s*no_scm\s*=\s*true\b", re.IGNORECASE | re.MULTILINE)


def run_git(root: Path, *arguments: str, check: bool = True) -> str:
    """Run git in a folder and return what it printed; an empty text where it failed and `check` is false."""
    return _run(root, ["git", *arguments], f"git {arguments[0]}", check=check)


def run_dvc(root: Path, *arguments: str, check: bool = True) -> str:
    """Run DVC in a folder and return what it printed; an empty text where it failed and `check` is false."""
    return _run(root, [sys.executable, "-m", "dvc", *arguments], f"dvc {arguments[0]}", check=check)


def has_git(root: Path) -> bool:
    """Whether git keeps a folder's history: not where DVC was told ``--no-scm``, be there a repository around it or none."""
    config = root / ".dvc" / "config"
    if config.is_file() and _WITHOUT_GIT.search(config.read_text()):
        return False
    return bool(run_git(root, "rev-parse", "--git-dir", check=False))


def _run(root: Path, command: list[str], name: str, *, check: bool) -> str:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "true"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    if done.returncode and check:
        raise VersionError(f"`{name}` failed: {done.stderr.strip()[-500:]}; mend that and run the command again")
    return done.stdout.strip() if not done.returncode else ""
