"""``eccl train``: the flow that triggers the DVC stages."""

from __future__ import annotations

from typing import Annotated

import typer

from eccl.commands.options import WorkspaceOption


def train(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages or groups of dvc.yaml; default is all.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the training and evaluation stages whose inputs changed, behind the gate.

    Example: eccl train pretrain_ecg align@I50
    """
    from eccl.commands.flow import run_flow
    from eccl.workspace import find_workspace

    run_flow("train", find_workspace(workspace), stages=stages or None)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(train)
