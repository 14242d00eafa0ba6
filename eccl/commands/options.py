"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with params.yaml; default is the one around the current folder."),
]
WorkersOption = Annotated[int, typer.Option("--workers", "-j", min=1, help="Worker processes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
