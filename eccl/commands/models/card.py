"""``eccl card``: model cards of finished runs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.commands.progress import bar
from eccl.workspace import find_workspace


def card(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="Runs; default is every finished one.")
    ] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write reports/cards/RUN.md, the model card of a run: data, parameters, performance by subgroup, and limits.

    A card contains no participant id and no group of fewer than ten participants.

    Example: eccl card align-traits align-I50
    """
    from eccl.training.__main__ import prepare_cpu

    place = find_workspace(workspace)
    prepare_cpu()  # torch is loaded below
    from eccl.cards.write import write_cards

    with bar("Cards") as on_run:
        written = write_cards(place, runs or [], on_run)
    paths = [path.relative_to(place.root).as_posix() for path in written]
    typer.echo(
        json.dumps(paths, indent=1)
        if as_json
        else "\n".join([*paths, f"{len(paths)} card{'' if len(paths) == 1 else 's'}"])
    )
