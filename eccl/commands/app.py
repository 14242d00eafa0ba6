"""The typer application: every verb registers itself here."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

import eccl

VERBS = (
    "cohort.demo", "cohort.init", "cohort.simulate", "cohort.ingest", "cohort.quarantine", "cohort.withdraw",
    "cohort.validate", "operations.status", "operations.doctor", "models.train", "study.table1", "study.adopt",
    "study.figures", "study.associations", "models.card", "models.predict", "models.materialize", "store.publish",
    "store.sql", "store.features", "store.similar", "store.lineage", "store.versions", "store.releases", "models.stage",
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
