"""Start a flow in its own process, because the library never imports Prefect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import typer

from eccl.workspace import Workspace


def run_flow(name: str, workspace: Workspace, *, to_stderr: bool = False, **parameters: Any) -> None:
    """Run a flow, and exit with its status if it fails.

    With `to_stderr` its output goes to standard error, so that standard output holds the JSON answer only.
    """
    # Prefect's database is in the workspace, unless PREFECT_HOME is set.
    home = workspace.state / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"PREFECT_HOME": str(home), **os.environ}
    values = json.dumps({"workspace": workspace.root, **parameters}, default=str)
    command = [sys.executable, "-m", "flows", name, values]
    done = subprocess.run(command, check=False, env=environment, stdout=sys.stderr.fileno() if to_stderr else None)
    if done.returncode:
        raise typer.Exit(done.returncode)
