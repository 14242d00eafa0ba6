"""``eccl figures``: the paper's figures from trained runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption
from eccl.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from eccl.study.arms import ArmTable


def figures(
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw figures 2a to 2d as PNG and SVG in reports/figures, with their points as a table.

    Scores are those of the validation split until `eccl table1` has frozen the selection of runs, then those of the test
    split. Exits with 1 if a figure lacks a run; --dry-run lists the runs of each figure.

    Example: eccl figures
    """
    from eccl.study.arms import load_arms
    from eccl.study.figures.write import make_figures

    place = find_workspace(workspace)
    table = load_arms(place.arms_file)
    if dry_run:
        _list(place, table, as_json)
        return
    drawn = make_figures(place, table)
    names = [path.relative_to(place.root).as_posix() for path in drawn.paths]
    if as_json:
        typer.echo(json.dumps({"split": drawn.split, "files": names, "missing": drawn.missing}, indent=2))
    else:
        typer.echo("".join(f"{name}\n" for name in names), nl=False)
        typer.echo(f"{len(names)} files; visits of the {drawn.split} split")
    for figure, lacks in drawn.missing.items():
        for lack in lacks:
            typer.echo(f"eccl: figure {figure}: {lack}", err=True)
    if drawn.missing:
        raise typer.Exit(1)


def _list(place: Workspace, table: ArmTable, as_json: bool) -> None:
    from eccl.study.figures.write import list_runs

    listed = list_runs(place, table)
    if as_json:
        typer.echo(
            json.dumps({name: {"runs": runs, "missing": lacks} for name, (runs, lacks) in listed.items()}, indent=2)
        )
        return
    for name, (runs, lacks) in listed.items():
        typer.echo(f"figure {name}: {', '.join(runs) or 'no run'}")
        typer.echo("".join(f"  lacks: {lack}\n" for lack in lacks), nl=False)
