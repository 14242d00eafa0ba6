"""Gate -> DVC stages: one task per stage, in order, stopping at the first failure."""

from __future__ import annotations

import re

from prefect import flow
from rich.progress import Progress

from eccl.errors import FlowError
from eccl.versioning.gate import require_passed_gate
from eccl.versioning.versions import record_runs
from eccl.workspace import find_workspace
from flows.support.artifacts import show_training
from flows.support.console import progress, say
from flows.support.dvc import has_changes, list_stages, run_stage
from flows.support.hooks import HOOKS
from flows.support.parameters import Stages, WorkspacePath, described
from flows.support.policy import GPU_TAG, timeout_s
from flows.support.redaction import discreet

OTHER_FLOWS = ("validate", "publish")
WITHOUT_GPU = ("evaluate",)
EPOCH = re.compile(r"\bepoch (\d+/\d+)\b.*\bleft ([\d:]+)")
DVC_CHATTER = re.compile(
    r"\s*(Running stage|> |Updating lock|Generating lock|To track|To enable|git add|dvc config|Use `dvc|Stage '.*' (didn't|is cached))"
)


@flow(name="train", timeout_seconds=timeout_s("train"), **HOOKS)
@discreet
@described
def train(workspace: WorkspacePath, stages: Stages = None) -> list[str]:
    """Run the training and evaluation stages whose inputs changed.

    `stages` names stages or groups of dvc.yaml (``align`` means all of ``align@...``); default is all of them.
    """
    place = find_workspace(workspace)
    require_passed_gate(place)
    chosen = choose_stages(list_stages(place.root), stages)
    if not has_changes(place.root, chosen):
        say(f"Nothing to train: {len(chosen)} stages are up to date")
        return []
    ran: list[str] = []
    with progress("Train", len(chosen)) as bar:
        for number, stage in enumerate(chosen):
            bar.update(bar.task_ids[0], completed=number, description=f"{stage:<20}")
            if run_stage(place.root, stage, StageLines(bar, stage), tags=() if stage in WITHOUT_GPU else (GPU_TAG,)):
                ran.append(stage)
        bar.update(bar.task_ids[0], completed=len(chosen), description="Train")
    record_runs(place)
    say(f"Trained {len(ran)} stages, {len(chosen) - len(ran)} were up to date")
    show_training(place, {stage: "ran" if stage in ran else "up to date" for stage in chosen})
    return ran


class StageLines:
    """Shows a stage's epochs in the bar and its other lines above it; all of them are in the run's log."""

    def __init__(self, bar: Progress, stage: str) -> None:
        self._bar = bar
        self._stage = stage

    def __call__(self, line: str) -> None:
        epoch = EPOCH.search(line)
        if epoch:
            self._bar.update(
                self._bar.task_ids[0], description=f"{self._stage:<20} epoch {epoch[1]:<7} left {epoch[2]}"
            )
        elif not DVC_CHATTER.match(line):
            self._bar.console.print(f"  {line}", style="dim", highlight=False, soft_wrap=True)


def choose_stages(known: list[str], wanted: list[str] | None) -> list[str]:
    """Expand names and groups to stages, in the order of dvc.yaml."""
    trainable = [stage for stage in known if stage not in OTHER_FLOWS]
    if not wanted:
        return trainable
    unknown = [name for name in wanted if not any(stage == name or stage.startswith(f"{name}@") for stage in trainable)]
    if unknown:
        raise FlowError(f"no stage {', '.join(unknown)}; known are {', '.join(trainable)}")
    return [stage for stage in trainable if stage in wanted or stage.partition("@")[0] in wanted]
