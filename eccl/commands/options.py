"""Options that several commands share: one name, one meaning and one help text each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with params.yaml; default is the one around the current folder."),
]
WorkersOption = Annotated[int, typer.Option("--workers", "-j", min=1, help="Worker processes.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done; write nothing.")]
RecordOption = Annotated[
    bool, typer.Option("--record/--no-record", help="Then run the gate, record a data version and publish.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write the answer to a .parquet, .csv or .json file instead."),
]
RowsOption = Annotated[int, typer.Option(min=1, help="Rows printed at most, in the table form.")]
ReleaseOption = Annotated[
    str | None, typer.Option("--release", help="Release, alias or data version; default is the latest release.")
]
