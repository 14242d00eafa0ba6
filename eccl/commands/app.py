"""The Typer application: every command with its help panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

import eccl
from eccl.commands.cohort.demo import demo
from eccl.commands.cohort.ingest import ingest
from eccl.commands.cohort.init import init
from eccl.commands.cohort.quarantine import list_quarantined, retry
from eccl.commands.cohort.simulate import simulate
from eccl.commands.cohort.validate import validate, validate_stage
from eccl.commands.cohort.withdraw import withdraw
from eccl.commands.models.card import card
from eccl.commands.models.materialize import materialize
from eccl.commands.models.predict import predict
from eccl.commands.models.train import train
from eccl.commands.operations.doctor import doctor
from eccl.commands.operations.status import status
from eccl.commands.store.features import get_features, list_features, show_feature
from eccl.commands.store.lineage import lineage
from eccl.commands.store.releases import diff, promote, publish, retract
from eccl.commands.store.similar import similar
from eccl.commands.store.sql import sql
from eccl.commands.store.versions import versions
from eccl.commands.study.adopt import adopt
from eccl.commands.study.associations import associations
from eccl.commands.study.figures import figures
from eccl.commands.study.table1 import table1

Commands = Mapping[str, Callable[..., Any]]

PANELS: Mapping[str, Mapping[str, Callable[..., Any] | tuple[str, Commands]]] = {
    "Cohort": {
        "demo": demo,
        "init": init,
        "simulate": simulate,
        "ingest": ingest,
        "quarantine": ("List quarantined files and read them again.", {"list": list_quarantined, "retry": retry}),
        "validate": validate,
        "withdraw": withdraw,
    },
    "Store": {
        "publish": publish,
        "sql": sql,
        "features": (
            "List, show and get feature views.",
            {"list": list_features, "show": show_feature, "get": get_features},
        ),
        "similar": similar,
        "lineage": lineage,
        "versions": versions,
        "diff": diff,
        "promote": promote,
        "retract": retract,
    },
    "Models": {"train": train, "materialize": materialize, "predict": predict, "card": card},
    "Study": {"table1": table1, "adopt": adopt, "figures": figures, "associations": associations},
    "Operations": {
        "status": status,
        "doctor": doctor,
        "stage": ("Run one step of dvc.yaml; called by DVC.", {"validate": validate_stage}),
    },
}
"""Commands in the order of `eccl --help`; a group of commands is its help text and its members."""

app = typer.Typer(name="eccl", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(eccl.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version of eccl.")
    ] = False,
) -> None:
    """A feature-store-backed data platform for paired ECG and cardiac MR."""


def _add_group(name: str, text: str, panel: str, members: Commands) -> None:
    group = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode="markdown")
    group.callback()(lambda: None)  # keeps a group of one command a group
    for member, function in members.items():
        group.command(member, rich_help_panel=panel)(function)
    app.add_typer(group, name=name, rich_help_panel=panel)


for panel, commands in PANELS.items():
    for name, command in commands.items():
        if isinstance(command, tuple):
            _add_group(name, command[0], panel, command[1])
        else:
            app.command(name, rich_help_panel=panel)(command)
