"""The typer application and the options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import eccl

app = typer.Typer(
    name="eccl",
    help="A feature-store-backed data platform for paired ECG and cardiac MR.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with params.yaml; default is the one around the current folder."),
]
WorkersOption = Annotated[int, typer.Option("--workers", "-j", min=1, help="Worker processes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(eccl.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A feature-store-backed data platform for paired ECG and cardiac MR."""


def _register() -> None:
    # Verbs register themselves; the order here is the order of `eccl --help`.
    from eccl.commands import demo, ingest, init, publish, simulate, sql, stage, train, validate, versions

    for module in (demo, init, simulate, ingest, validate, train, publish, sql, versions, stage):
        module.register(app)


_register()
