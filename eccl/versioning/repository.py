"""git and DVC as child processes of a workspace, and the lock that keeps two DVC commands of one workspace apart."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from eccl.errors import LockedError, VersionError

_WITHOUT_GIT = re.compile(r"^\s*no_scm\s*=\s*true\b", re.IGNORECASE | re.MULTILINE)
_DVC = (sys.executable, "-m", "dvc")
_STOP_S = 20.0


def run_git(root: Path, *arguments: str, check: bool = True) -> str:
    """Run git in a folder and return its output; an empty text where it failed and `check` is false."""
    return _run(root, ["git", *arguments], f"git {arguments[0]}", check=check)


def run_dvc(root: Path, *arguments: str, check: bool = True) -> str:
    """Run DVC in a folder and return its output; an empty text where it failed and `check` is false."""
    return _run(root, [*_DVC, *arguments], f"dvc {arguments[0]}", check=check)


def follow_dvc(root: Path, *arguments: str, on_line: Callable[[str], None]) -> int:
    """Run DVC, pass on each line that it prints, and return its exit status.

    An exception (a timeout, a cancellation, Ctrl-C) ends DVC and the processes that it started.
    """
    process = subprocess.Popen(
        [*_DVC, *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        errors="replace",
        env=_environment(root),
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if text := line.rstrip():
                    on_line(text)
            return process.wait()
        except BaseException:
            _stop(process)
            raise


def list_stages(root: Path) -> list[str]:
    """Names of all stages, in the order of dvc.yaml, which is an order they can run in."""
    return [line.split()[0] for line in run_dvc(root, "stage", "list", "--name-only").splitlines() if line.strip()]


def changed_stages(root: Path, *stages: str) -> dict[str, Any]:
    """Stages that ``dvc repro`` would run, with DVC's list of what changed; of all stages where none is named.

    Raises
    ------
    VersionError
        DVC failed.
    """
    found: dict[str, Any] = json.loads(run_dvc(root, "status", "--json", *stages) or "{}")
    return found


def has_git(root: Path) -> bool:
    """Whether git records a folder's history. A DVC repository made with ``--no-scm`` is not recorded in any git repository."""
    config = root / ".dvc" / "config"
    if config.is_file() and _WITHOUT_GIT.search(config.read_text()):
        return False
    return bool(run_git(root, "rev-parse", "--git-dir", check=False))


@contextlib.contextmanager
def dvc_lock(root: Path, what: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a workspace for one DVC command; DVC fails where two commands run in one workspace.

    The kernel releases the lock when its holder dies.

    Parameters
    ----------
    what
        Command, for the message of a process that waits for it.
    wait_s
        Seconds to wait for another holder.

    Raises
    ------
    LockedError
        Another process held the lock for longer than `wait_s`.
    """
    path = root / ".eccl" / "dvc.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        until = time.monotonic() + wait_s
        while not _is_acquired(stream):
            if time.monotonic() >= until:
                raise LockedError(
                    f"this workspace is busy with `{path.read_text() or 'another command'}`, waited {wait_s:.0f} s; `{what}` "
                    "was not started. Run it again when that has ended (flows wait ECCL_DVC_WAIT_S seconds)"
                )
            time.sleep(min(1.0, wait_s / 10))
        stream.truncate(0)
        stream.write(f"{what}, process {os.getpid()}")
        stream.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # closing the stream releases the lock, whatever the file contains
                stream.truncate(0)


def _is_acquired(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _run(root: Path, command: list[str], name: str, *, check: bool) -> str:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=_environment(root))
    if done.returncode and check:
        raise VersionError(f"`{name}` failed: {done.stderr.strip()[-500:]}; correct that and run the command again")
    return done.stdout.strip() if not done.returncode else ""


def _environment(root: Path) -> dict[str, str]:
    # The stages' commands (`eccl`, `python`) are those of this installation, whether its environment is activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "ECCL_WORKSPACE": str(root), "DVC_NO_ANALYTICS": "true"}


def _stop(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
            return
