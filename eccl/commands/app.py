"""The typer application: every verb registers itself here."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

import eccl

VERBS = (
    "demo", "init", "simulate", "ingest", "quarantine", "withdraw", "validate", "status", "doctor", "train",
    "table1", "adopt", "figures", "associations", "card", "predict", "materialize", "publish", "sql", "features",
    "similar", "lineage", "versions", "releases", "stage",
)  # fmt: skip
"""Modules of this package that register a verb each, in the order of `eccl --help`."""

app = typer.Typer(
    name="eccl",
    help="A feature-store-backed data platform for paired ECG and cardiac MR.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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


for verb in VERBS:
    import_module(f"eccl.commands.{verb}").register(app)
