"""The command line: in this process for speed, or in a process of its own where that is what is tested."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from eccl.errors import EcclError

MAIN = "from eccl.commands import main; main()"


class Outcome(NamedTuple):
    """What a finished command returned and printed."""

    returncode: int
    stdout: str
    stderr: str
    error: EcclError | None = None


def run_cli(*arguments: object, cwd: Path) -> Outcome:
    """Run ``eccl ARGUMENTS`` in a folder, in this process; an unexpected exception is raised."""
    from eccl.commands.app import app

    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    error = result.exception
    if isinstance(error, EcclError):  # as eccl.commands.main prints it
        return Outcome(1, result.stdout, f"{result.stderr}eccl: {error}\n", error)
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Outcome(result.exit_code, result.stdout, result.stderr)


def run_process(*arguments: object, cwd: Path) -> Outcome:
    """Run ``eccl ARGUMENTS`` in a process of its own."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)
