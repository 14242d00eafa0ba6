"""What a workspace is tied to: git and DVC, the remote, locks, the schedule's server, the tombstones' key."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from eccl.errors import VersionError, WithdrawalError
from eccl.ledger.tombstones import KEY_NAME, KEY_VARIABLE, Tombstones, tombstones_path
from eccl.operations.checks import Check, ok, problem, warning
from eccl.operations.locks import read_lock
from eccl.versioning.repository import has_git, run_dvc, run_git
from eccl.versioning.versions import default_remote
from eccl.workspace import Workspace

REMOTE_SECONDS = 20
SERVER_SECONDS = 3.0
# DVC's own configuration and credentials, and the kind of an error only: its message may hold either.
_LIST_REMOTE = """
import sys
try:
    from dvc.repo import Repo
    odb = Repo(sys.argv[1]).cloud.get_remote_odb(sys.argv[2])
    next(iter(odb.fs.ls(odb.path, detail=False)), None)
except FileNotFoundError:
    print("empty")
except Exception as error:
    print(type(error).__name__)
else:
    print("there")
"""


def check_places(workspace: Workspace) -> Iterator[Check]:
    """Check repository, cache, remote, locks, the schedule's server and the tombstones' key."""
    yield from _check_repository(workspace)
    yield check_lock(workspace)
    yield check_server(os.environ.get("PREFECT_API_URL"))
    yield check_key(workspace)


def _check_repository(workspace: Workspace) -> Iterator[Check]:
    root = workspace.root
    if not has_git(root):
        yield warning(
            "repository",
            "no git repository: versions cannot be recorded",
            "`git init && dvc init`, or `eccl init FOLDER`",
        )
        return
    if not (root / ".dvc").is_dir():
        yield warning("repository", "git without DVC: versions cannot be recorded", "`dvc init`")
        return
    yield ok("repository", "git and DVC")
    kind = run_dvc(root, "config", "cache.type", check=False)
    told = kind or "reflink where the file system can, else copy: data/ is on disk twice"
    yield ok("cache", told)
    yield check_remote(workspace)


def check_remote(workspace: Workspace, seconds: float = REMOTE_SECONDS) -> Check:
    """Check that the default remote can be listed."""
    root = workspace.root
    try:
        name = default_remote(workspace)
    except VersionError:
        return warning(
            "remote", "the default remote is the sample's, which is read-only", "`dvc remote add --default NAME URL`"
        )
    if name is None:
        return warning(
            "remote",
            "none is configured: data/ lies on this disk only",
            "`dvc remote add --default NAME s3://BUCKET/PATH`",
        )
    url = hide_credentials(run_dvc(root, "config", f"remote.{name}.url", check=False))
    try:
        command = [sys.executable, "-c", _LIST_REMOTE, str(root), name]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return problem(
            "remote", f"{name} ({url}) did not answer within {seconds:g} s", "check network, endpoint and credentials"
        )
    answer = (done.stdout.split() or ["no answer"])[-1]
    if answer == "there":
        return ok("remote", f"{name} ({url}) can be listed")
    if answer == "empty":
        return warning(
            "remote",
            f"{name} ({url}) is empty or not there yet",
            "`dvc push` makes it; check the path where it should hold versions",
        )
    return problem(
        "remote",
        f"{name} ({url}) cannot be listed: {answer}",
        "check endpoint, credentials and permissions: `dvc remote list`",
    )


def hide_credentials(url: str) -> str:
    """A URL without user, password and query."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def check_lock(workspace: Workspace) -> Check:
    """Check who is writing, here and through DVC."""
    lock = read_lock(workspace)
    if lock.is_held:
        return warning(
            "lock", lock.describe(), "wait for it to end; a process that hangs can be ended, the lock goes with it"
        )
    blocked = _dvc_holders(workspace)
    if blocked:
        return warning(
            "lock", f"DVC's lock names {len(blocked)} processes, of which none lives", "remove .dvc/tmp/rwlock"
        )
    return ok("lock", lock.describe() + (": the next writer takes it" if lock.is_stale else ""))


def _dvc_holders(workspace: Workspace) -> set[int]:
    """Processes that DVC's lock names, if none of them is alive any more."""
    try:
        found = json.loads((workspace.root / ".dvc" / "tmp" / "rwlock").read_text() or "{}")
    except (OSError, ValueError):
        return set()
    named: set[int] = set()
    for entry in found.values():
        holders = [entry["write"]] if entry.get("write") else []
        named |= {int(one["pid"]) for one in [*holders, *entry.get("read", [])]}
    return set() if any(_is_alive(pid) for pid in named) else named


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def check_server(url: str | None) -> Check:
    """Check that the schedule's server answers, where one is named."""
    if not url:
        return ok("schedule", "no server is named (PREFECT_API_URL): flows run when they are called")
    shown = hide_credentials(url)
    if urlsplit(url).scheme not in {"http", "https"}:
        return problem("schedule", f"PREFECT_API_URL is no http address: {shown}", "set it to http://HOST:4200/api")
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=SERVER_SECONDS) as answer:
            if answer.status == 200:
                return ok("schedule", f"the server at {shown} answers")
            return problem("schedule", f"the server at {shown} answers {answer.status}", "look at the server's log")
    except urllib.error.HTTPError as error:
        error.close()
        return problem(
            "schedule",
            f"the server at {shown} answers {error.code}",
            "check the address, it ends in /api, and the server's log",
        )
    except (OSError, ValueError) as error:
        return problem(
            "schedule",
            f"the server at {shown} does not answer ({type(error).__name__})",
            "start it: `prefect server start`",
        )


def check_key(workspace: Workspace) -> Check:
    """Check that the tombstones' key is there, the right one, private, and not in git."""
    path = workspace.root / KEY_NAME
    if path.is_file():
        if run_git(workspace.root, "ls-files", "--", KEY_NAME, check=False):
            return problem(
                "tombstone key",
                f"{KEY_NAME} is in git: whoever clones can undo the hashes",
                f"`git rm --cached {KEY_NAME}`, and treat it as known",
            )
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return problem(
                "tombstone key",
                f"others may read {KEY_NAME} (mode {path.stat().st_mode & 0o777:o})",
                f"`chmod 600 {KEY_NAME}`",
            )
    try:
        number = len(Tombstones.load(workspace).entries)
    except WithdrawalError as error:
        return problem("tombstone key", str(error), f"put the key back into {KEY_NAME} or ${KEY_VARIABLE}")
    except (OSError, ValueError, KeyError):
        return problem(
            "tombstone key",
            f"{tombstones_path(workspace).name} cannot be read",
            "`git checkout ledger/tombstones.json`",
        )
    if not number:
        return ok("tombstone key", "nobody withdrew yet")
    return ok("tombstone key", f"fits {number} tombstones; keep a copy of it elsewhere")
