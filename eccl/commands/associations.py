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
    split: Annotated[Split, typer.Option(help="Participants to look at.")] = Split.TEST,
    output: OutputOption = Output.TABLE,
    rows: RowsOption = 20,
    workspace: WorkspaceOption = None,
) -> None:
    """Relate predictions of the workspace's own runs to measured traits, diseases and later diagnoses.

    Linear, logistic and Cox models, adjusted for age, sex and body surface area; writes reports/associations.

    Example: eccl associations --split val
    """
    import polars as pl

    from eccl.commands.output import render
    from eccl.evaluation.associations.associate import associate
    from eccl.workspace import find_workspace

    if output is Output.PARQUET:
        raise typer.BadParameter("the Parquet file is written in any case: reports/associations/associations.parquet")
    place = find_workspace(workspace)
    table, paths = associate(place, split.value)
    shown = ("analysis", "outcome", "predictor", "n", "events", "measure", "estimate", "low", "high", "q", "note")
    ordered = table.sort("p", nulls_last=True).select(shown) if output is Output.TABLE else table
    typer.echo(render(ordered, output, rows), nl=False)
    fitted = table.filter(pl.col("estimate").is_not_null()).height
    firm = table.filter(pl.col("q") < 0.05).height
    names = ", ".join(path.relative_to(place.root).as_posix() for path in paths)
    text = f"{table.height} regressions of the {split.value} split: {fitted} with an estimate, {firm} with q < 0.05; in {names}"
    typer.echo(text, err=output is not Output.TABLE)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(associations)
