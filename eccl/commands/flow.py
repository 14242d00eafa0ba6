"""Start a flow in a process of its own: the library never imports Prefect, and a flow's crash is not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from eccl.workspace import Workspace


def run_flow(name: str, workspace: Workspace, *, said_aside: bool = False, **parameters: Any) -> None:
    """Run a flow and leave with its exit status if it fails.

    With `said_aside` what it prints goes to standard error: standard output is for an answer alone.
    """
    values = {
        "workspace": str(workspace.root),
        **{k: str(v) if isinstance(v, Path) else v for k, v in parameters.items()},
    }
    # Unless the user has a Prefect of their own, its database lives in the workspace.
    home = workspace.state / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"PREFECT_HOME": str(home), **os.environ}
    command = [sys.executable, "-m", "flows", name, json.dumps(values)]
    done = subprocess.run(command, check=False, env=environment, stdout=sys.stderr.fileno() if said_aside else None)
    if done.returncode:
        raise typer.Exit(done.returncode)
