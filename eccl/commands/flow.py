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


def run_flow(name: str, workspace: Workspace, **parameters: Any) -> None:
    """Run a flow and leave with its exit status if it fails."""
    values = {
        "workspace": str(workspace.root),
        **{k: str(v) if isinstance(v, Path) else v for k, v in parameters.items()},
    }
    # Unless the user has a Prefect of their own, its database lives in the workspace.
    home = workspace.state / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"PREFECT_HOME": str(home), **os.environ}
    done = subprocess.run([sys.executable, "-m", "flows", name, json.dumps(values)], check=False, env=environment)
    if done.returncode:
        raise typer.Exit(done.returncode)
