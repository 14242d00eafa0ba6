"""What a workspace depends on: git and DVC, the remote, the write lock, Prefect's server, the tombstones' key."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import urlsplit

from eccl.errors import VersionError, WithdrawalError
from eccl.ledger.tombstones import KEY_NAME, KEY_VARIABLE, Tombstones, tombstones_path
from eccl.operations.doctor import OK, PROBLEM, WARNING, Check
from eccl.operations.status import read_lock
from eccl.versioning.repository import has_git, run_dvc, run_git
from eccl.versioning.versions import default_remote
from eccl.workspace import Workspace

REMOTE_SECONDS = 20
SERVER_SECONDS = 3.0
# With DVC's own configuration and credentials. Of an error only the class is printed: its message may contain either.
_LIST_REMOTE = """
import sys
try:
    from dvc.repo import Repo
    odb = Repo(sys.argv[1]).cloud.get_remote_odb(sys.argv[2])
    next(iter(odb.fs.ls(odb.path, detail=False)), None)
except Exception as error:
    print(type(error).__name__)
else:
    print("listed")
"""


def check_surroundings(workspace: Workspace) -> Iterator[Check]:
    """Check repository, cache, remote, write lock, Prefect's server and the tombstones' key."""
    yield from _check_repository(workspace)
    yield check_lock(workspace)
    yield check_server(os.environ.get("PREFECT_API_URL"))
    yield check_key(workspace)


def _check_repository(workspace: Workspace) -> Iterator[Check]:
    root = workspace.root
    if not has_git(root):
        remedy = "`git init && dvc init`, or `eccl init FOLDER`"
        yield Check("repository", WARNING, "no git repository: versions cannot be recorded", remedy)
        return
    if not (root / ".dvc").is_dir():
        yield Check("repository", WARNING, "git without DVC: versions cannot be recorded", "`dvc init`")
        return
    yield Check("repository", OK, "git and DVC")
    kind = run_dvc(root, "config", "cache.type", check=False)
    yield Check("cache", OK, kind or "reflink where the file system can, else copy: data/ is on disk twice")
    yield check_remote(workspace)


def check_remote(workspace: Workspace, seconds: float = REMOTE_SECONDS) -> Check:
    """Check that the default remote can be listed."""
    root = workspace.root
    add = "`dvc remote add --default NAME s3://BUCKET/PATH`"
    try:
        name = default_remote(workspace)
    except VersionError:
        return Check("remote", WARNING, "the default remote is the sample's, which is read-only", add)
    if name is None:
        return Check("remote", WARNING, "none is configured: data/ is on this disk only", add)
    shown = f"{name} ({hide_credentials(run_dvc(root, 'config', f'remote.{name}.url', check=False))})"
    try:
        command = [sys.executable, "-c", _LIST_REMOTE, str(root), name]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        found = f"{shown} did not answer within {seconds:g} s"
        return Check("remote", PROBLEM, found, "check network, endpoint and credentials")
    answer = (done.stdout.split() or ["no answer"])[-1]
    if answer == "listed":
        return Check("remote", OK, f"{shown} can be listed")
    if answer == "FileNotFoundError":
        remedy = "the first `dvc push` creates it; check the path if it should hold versions"
        return Check("remote", WARNING, f"{shown} is empty or does not exist yet", remedy)
    remedy = "check endpoint, credentials and permissions: `dvc remote list`"
    return Check("remote", PROBLEM, f"{shown} cannot be listed: {answer}", remedy)


def hide_credentials(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def check_lock(workspace: Workspace) -> Check:
    """Check whether a process is writing. DVC names the holder of its own lock, and the file to remove, when it fails."""
    lock = read_lock(workspace)
    if lock.is_held:
        remedy = "wait for it to end; a process that hangs can be ended, which releases the lock"
        return Check("lock", WARNING, lock.describe(), remedy)
    return Check("lock", OK, lock.describe() + (": the next writer takes it" if lock.is_stale else ""))


def check_server(url: str | None) -> Check:
    """Check that Prefect's server answers, where one is configured."""
    if not url:
        return Check("schedule", OK, "no server is configured (PREFECT_API_URL): flows run when they are called")
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=SERVER_SECONDS):
            return Check("schedule", OK, f"the server at {hide_credentials(url)} answers")
    except (OSError, ValueError) as error:
        reason: object = type(error).__name__
        if isinstance(error, HTTPError):
            reason = error.code
            error.close()
        remedy = (
            "set PREFECT_API_URL to http://HOST:4200/api and start it: `prefect server start`; check the server's log"
        )
        return Check("schedule", PROBLEM, f"no Prefect server answers at {hide_credentials(url)} ({reason})", remedy)


def check_key(workspace: Workspace) -> Check:
    """Check that the tombstones' key exists, fits them, is private, and is not in git."""
    path = workspace.root / KEY_NAME
    if path.is_file():
        if run_git(workspace.root, "ls-files", "--", KEY_NAME, check=False):
            found = f"{KEY_NAME} is in git: everyone with a clone can undo the hashes"
            return Check("tombstone key", PROBLEM, found, f"`git rm --cached {KEY_NAME}`, and treat it as published")
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            found = f"other users may read {KEY_NAME} (mode {mode & 0o777:o})"
            return Check("tombstone key", PROBLEM, found, f"`chmod 600 {KEY_NAME}`")
    try:
        number = len(Tombstones.load(workspace).entries)
    except WithdrawalError as error:
        return Check("tombstone key", PROBLEM, str(error), f"put the key back into {KEY_NAME} or ${KEY_VARIABLE}")
    except (OSError, ValueError, KeyError):
        found = f"{tombstones_path(workspace).name} cannot be read"
        return Check("tombstone key", PROBLEM, found, "`git checkout ledger/tombstones.json`")
    found = f"fits {number} tombstones; keep a copy of it elsewhere" if number else "no participant was withdrawn yet"
    return Check("tombstone key", OK, found)
