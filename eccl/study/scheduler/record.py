"""What the experiments come to, in git: the folder experiments/ and nothing else of the user's.

A seed's ``dvc.lock`` names every run by hash, with the parameters it was trained with; ``looks.json`` every look at the test split.
Nothing here raises: it is called where something else may be on its way up. What could not be recorded is said in words.
"""

from __future__ import annotations

from eccl.data.parts import data_version
from eccl.errors import EcclError
from eccl.study.scheduler.pipeline import FOLDER, LOCKS
from eccl.versioning.repository import has_git, run_git
from eccl.workspace import Workspace

_COMMAND = f"git add {FOLDER} && git commit -m Experiments -- {FOLDER}"


def why_not_recorded(workspace: Workspace) -> str | None:
    """Why experiments/ will not be committed, to be told before days of training; None where it will, or where there is no git."""
    root = workspace.root
    try:
        if not has_git(root) or all(
            run_git(root, "var", f"GIT_{who}_IDENT", check=False) for who in ("AUTHOR", "COMMITTER")
        ):
            return None
    except OSError as error:
        return f"{FOLDER}/ will not be recorded in git: git cannot be started ({error})"
    return (
        f"{FOLDER}/ will not be recorded in git, which does not know who commits here: `git config user.name NAME` and "
        f"`git config user.email ADDRESS`, then run the command again, or later `{_COMMAND}`"
    )


def record(workspace: Workspace, subject: str = "Experiments") -> str | None:
    """Commit what changed in experiments/; return why that was not possible, else None. A workspace without git is left alone."""
    root = workspace.root
    try:
        if not has_git(root) or why_not_recorded(workspace):
            return None  # told before the training
        run_git(root, "add", "--", FOLDER)
        if not run_git(root, "status", "--porcelain", "--", FOLDER):
            return None
        message = ["-m", f"{subject} on data version {data_version(workspace.data)}", "-m", f"Stages as in {LOCKS}"]
        run_git(root, "commit", "--quiet", *message, "--", FOLDER)
    except (EcclError, OSError) as error:
        return f"{FOLDER}/ was not recorded in git ({error}); nothing else is lost, record it with `{_COMMAND}`"
    return None
