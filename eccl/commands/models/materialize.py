"""``eccl materialize``: backfill features of visits that were ingested after a run was trained."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption
from eccl.commands.output import render_table
from eccl.commands.progress import bar
from eccl.workspace import find_workspace

if TYPE_CHECKING:
    from eccl.training.backfill.materialize import Outcome


def materialize(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="Runs or groups; default is every finished run.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Backfill the features of finished runs for visits that were ingested later; nothing is trained.

    The gate must have passed. The CMR encoder that a run was aligned with is backfilled first if it lacks cines.

    Example: eccl materialize align-traits align-I50

    Example: eccl materialize --dry-run
    """
    from eccl.training.__main__ import prepare_cpu

    place = find_workspace(workspace)
    prepare_cpu()  # torch is loaded below
    from eccl.training.backfill import materialize as verb
    from eccl.training.loop.runtime import runtime_from_environment

    if dry_run:
        done = verb.plan_materialization(place, runs or [])
    else:
        runtime = runtime_from_environment(devices=1)
        with bar("Materialize") as on_run:
            done = verb.materialize(place, runs or [], runtime, on_run)
    typer.echo(json.dumps([asdict(one) for one in done], indent=1) if as_json else _text(done, dry_run), nl=as_json)


def _text(done: list[Outcome], dry_run: bool) -> str:
    import polars as pl

    rows = [
        {
            "run": one.run,
            "view": view.view,
            "visits": view.visits,
            "with before": view.before,
            "without before": view.visits - view.before,
            "with after": view.after,
            "without after": view.visits - view.after,
        }
        for one in done
        for view in one.coverage
    ]
    lines = [_line(one, dry_run) for one in done]
    return "\n".join([render_table(pl.DataFrame(rows), len(rows)).rstrip("\n"), *lines]) + "\n"


def _line(one: Outcome, dry_run: bool) -> str:
    lacking = sum(view.visits - view.before for view in one.coverage)
    origin = f"data version {one.data_version} (trained on {one.trained_on})"
    if dry_run and lacking:
        return f"{one.run}: {lacking} missing features would be computed for {origin}"
    if dry_run and not one.was_covered:
        return f"{one.run}: nothing to compute; it would be recorded as covering {origin}"
    if one.added is None:
        return f"{one.run}: up to date, nothing written; it covers {origin}"
    if not one.added:
        return f"{one.run}: nothing to compute; recorded as covering {origin}"
    return f"{one.run}: {sum(one.added.values())} rows added for {origin}; `eccl publish` shows them"
