"""``eccl associations``: regressions of outcomes on predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eccl.commands.options import CsvOption, JsonOption, RowsOption, WorkspaceOption
from eccl.commands.output import Output, choose_output, render
from eccl.workspace import find_workspace

if TYPE_CHECKING:
    import polars as pl

    from eccl.evaluation.associations.associate import Associations

SHOWN = ("analysis", "outcome", "predictor", "n", "events", "measure", "estimate", "ci_lower", "ci_upper", "q", "note")
"""Columns on the screen."""


def associations(
    split: Annotated[
        Literal["val", "test"] | None,
        typer.Option(
            help="Split of the participants; default is test if stage evaluate has scored it for these runs, else val."
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    rows: RowsOption = 20,
    workspace: WorkspaceOption = None,
) -> None:
    """Regress measured traits, diseases and later diagnoses on the predictions of the runs.

    Linear, logistic and Cox models, adjusted for age, sex and body surface area. Writes reports/associations, which keeps the
    rows of the other split while runs and data are the same. --split test is refused until the stage evaluate has scored
    these weights on it. Prints the rows with the smallest q.

    Example: eccl associations --split val
    """
    from eccl.evaluation.associations.associate import associate

    output = choose_output(as_json, as_csv)
    place = find_workspace(workspace)
    found = associate(place, split)
    if output is Output.TABLE:
        typer.echo(f"Associations in the {found.split} split, smallest q first:")
        typer.echo(render(found.table.sort("q", "p", nulls_last=True).select(SHOWN), output, rows), nl=False)
    else:
        typer.echo(render(found.table, output, rows), nl=False)
    names = ", ".join(path.relative_to(place.root).as_posix() for path in found.paths)
    lines = [
        found.split_note,
        found.followed_until,
        _count_firm(found.table),
        f"{found.table.height} regressions of the {found.split} split; in {names}",
        _other_split(found),
    ]
    typer.echo("\n".join(filter(None, lines)), err=output is not Output.TABLE)


def _count_firm(table: pl.DataFrame) -> str:
    """Count the regressions of each analysis with a q below 0.05, of those with an estimate."""
    from eccl.evaluation.conventions import SIGNIFICANT

    counts = [
        f"{part['analysis'][0]} {(part['q'] < SIGNIFICANT).sum()} of {part['estimate'].count()}"
        for part in table.partition_by("analysis", maintain_order=True)
    ]
    return f"q < {SIGNIFICANT:g}, of regressions with an estimate: {', '.join(counts)}"


def _other_split(found: Associations) -> str:
    """Rows of the other split that were kept or dropped."""
    other = "val" if found.split == "test" else "test"
    gone = f"{found.dropped} rows of the {other} split dropped: of other runs, data or end of follow-up, or by an earlier version"
    lines = [
        f"{found.kept} rows of the {other} split were kept" if found.kept else "",
        f"{gone}; `eccl associations --split {other}` computes them again" if found.dropped else "",
    ]
    return "\n".join(filter(None, lines))
