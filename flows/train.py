"""Gate -> DVC stages: one task per stage, in order, stopping at the first failure."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from eccl.errors import FlowError
from eccl.store.gate import require_green
from eccl.workspace import find_workspace
from flows.console import progress, say
from flows.dvc import has_changes, list_stages, run_stage

OTHER_FLOWS = ("validate", "publish")


@flow(name="train")
def train(workspace: Path, stages: list[str] | None = None) -> list[str]:
    """Run the training and evaluation stages whose inputs changed.

    `stages` names stages or groups of dvc.yaml (``align`` means all of ``align@...``); default is all of them.
    """
    place = find_workspace(workspace)
    require_green(place)
    chosen = choose_stages(list_stages(place.root), stages)
    if not has_changes(place.root, chosen):
        say(f"Nothing to train: {len(chosen)} stages are up to date")
        return []
    ran: list[str] = []
    with progress("Train", len(chosen)) as bar:
        for number, stage in enumerate(chosen):
            bar.update(bar.task_ids[0], completed=number, description=f"{stage:<20}")
            if run_stage(place.root, stage, on_line=lambda text: bar.console.print(f"  {text}", style="dim", highlight=False)):
                ran.append(stage)
        bar.update(bar.task_ids[0], completed=len(chosen), description="Train")
    say(f"Trained {len(ran)} stages, {len(chosen) - len(ran)} were up to date")
    return ran


def choose_stages(known: list[str], wanted: list[str] | None) -> list[str]:
    """Expand names and groups to stages, in the order of dvc.yaml."""
    trainable = [stage for stage in known if stage not in OTHER_FLOWS]
    if not wanted:
        return trainable
    unknown = [name for name in wanted if not any(stage == name or stage.startswith(f"{name}@") for stage in trainable)]
    if unknown:
        raise FlowError(f"no stage {', '.join(unknown)}; known are {', '.join(trainable)}")
    return [stage for stage in trainable if stage in wanted or stage.partition("@")[0] in wanted]
