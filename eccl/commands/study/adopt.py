"""``eccl adopt``: an arm of Table 1 as a preset of params.yaml."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption
from eccl.workspace import find_workspace


def adopt(
    arm: Annotated[str, typer.Argument(metavar="ARM", help="Arm of experiments/arms.yaml.")],
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the new preset; default is PRESET_ARM.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add a preset to params.yaml: the current preset with the changes of an arm.

    Nothing else in the file changes, and nothing is trained; `eccl train --preset NAME` trains it.

    Example: eccl adopt mean_pooling --preset recipe
    """
    from eccl.study.adopt import adopt as write_adoption
    from eccl.study.adopt import plan_adoption
    from eccl.study.arms import open_table

    place = find_workspace(workspace)
    adoption = plan_adoption(place.params_file, open_table(place), arm, preset)
    if not dry_run:
        write_adoption(place.params_file, adoption)
    if as_json:
        fields = {name: getattr(adoption, name) for name in ("preset", "base", "arm", "changes")}
        typer.echo(json.dumps({**fields, "is_written": not dry_run}, indent=1))
        return
    if dry_run:
        typer.echo(f"{adoption.block}\nNothing was written")
        return
    typer.echo(
        f"added preset {adoption.preset} to params.yaml: {adoption.base} with {len(adoption.changes)} changes of arm {arm}; "
        f"train it with `eccl train --preset {adoption.preset}`"
    )
