"""Commits of the folder experiments/: the experiment table and the test-access log, and no other file.

Nothing here raises an exception: :func:`record` also runs where another error ends the command. What could not be committed
is returned as a text.
"""

from __future__ import annotations

from eccl.data.parts import data_version
from eccl.errors import EcclError
from eccl.versioning.repository import has_git, run_git
from eccl.workspace import Workspace

FOLDER = "experiments"
_COMMAND = f"git add {FOLDER} && git commit -m Experiments -- {FOLDER}"


def why_not_recorded(workspace: Workspace) -> str | None:
    """Why experiments/ cannot be committed, to be shown before days of training; None where it can, or without git."""
    root = workspace.root
    try:
        if not has_git(root) or all(
            run_git(root, "var", f"GIT_{who}_IDENT", check=False) for who in ("AUTHOR", "COMMITTER")
        ):
            return None
    except OSError as error:
        return f"{FOLDER}/ will not be recorded in git: git cannot be started ({error})"
    return (
        f"{FOLDER}/ will not be recorded in git, which has no name of a committer: `git config user.name NAME` and "
        f"`git config user.email ADDRESS`, then run the command again, or later `{_COMMAND}`"
    )


def record(workspace: Workspace, subject: str) -> str | None:
    """Commit what changed in experiments/; return why that was not possible, else None. Without git nothing is done."""
    root = workspace.root
    try:
        if not has_git(root) or why_not_recorded(workspace):
            return None  # reported before the training
        run_git(root, "add", "--", FOLDER)
        if not run_git(root, "status", "--porcelain", "--", FOLDER):
            return None
        message = f"{subject} on data version {data_version(workspace.data)}"
        run_git(root, "commit", "--quiet", "-m", message, "--", FOLDER)
    except (EcclError, OSError) as error:
        return f"{FOLDER}/ was not recorded in git ({error}); nothing else is lost, record it with `{_COMMAND}`"
    return None
