"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eccl.commands.output import Output

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with params.yaml; default is the one around the current folder."),
]
WorkersOption = Annotated[int, typer.Option("--workers", "-j", min=1, help="Worker processes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputOption = Annotated[Output, typer.Option("--format", "-f", help="Form of the answer.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="File for the answer; parquet needs one.")]
RowsOption = Annotated[int, typer.Option(min=1, help="Rows shown by the table form.")]
VersionOption = Annotated[
    str | None, typer.Option("--version", help="Release, alias or data version; default is the latest release.")
]
