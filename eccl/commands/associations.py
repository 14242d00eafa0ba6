"""``eccl associations``: regressions of outcomes on predictions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from eccl.commands.options import OutputOption, RowsOption, WorkspaceOption
from eccl.commands.output import Output


class Split(StrEnum):
    """Splits that no model was trained on."""

    VAL = "val"
    TEST = "test"


def associations(
    split: Annotated[
        Split | None,
        typer.Option(
            help="Participants to look at; default is test where stage evaluate opened it for the runs, else val."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    rows: RowsOption = 20,
    workspace: WorkspaceOption = None,
) -> None:
    """Relate predictions of the workspace's own runs to measured traits, diseases and later diagnoses.

    Linear, logistic and Cox models, adjusted for age, sex and body surface area; writes reports/associations. The test split
    is never opened here: --split test is refused before the stage evaluate has scored these very weights.

    Example: eccl associations --split val
    """
    import polars as pl

    from eccl.commands.output import render
    from eccl.evaluation.associations.associate import associate
    from eccl.workspace import find_workspace

    if output is Output.PARQUET:
        raise typer.BadParameter("the Parquet file is written in any case: reports/associations/associations.parquet")
    place = find_workspace(workspace)
    found = associate(place, None if split is None else split.value)
    table = found.table
    shown = ("analysis", "outcome", "predictor", "n", "events", "measure", "estimate", "low", "high", "q", "note")
    ordered = table.sort("p", nulls_last=True).select(shown) if output is Output.TABLE else table
    typer.echo(render(ordered, output, rows), nl=False)
    fitted = table.filter(pl.col("estimate").is_not_null()).height
    firm = table.filter(pl.col("q") < 0.05).height
    names = ", ".join(path.relative_to(place.root).as_posix() for path in found.paths)
    lines = [
        found.split_note,
        found.followed_until,
        f"{table.height} regressions of the {found.split} split: {fitted} with an estimate, {firm} with q < 0.05; in {names}",
    ]
    typer.echo("\n".join(filter(None, lines)), err=output is not Output.TABLE)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(associations)
