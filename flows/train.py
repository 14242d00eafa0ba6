"""Gate -> DVC stages: one task per stage, in order, until the first failure."""

from __future__ import annotations

from eccl.commands.progress import bar
from eccl.errors import FlowError
from eccl.versioning.gate import require_passed_gate
from eccl.versioning.repository import changed_stages, list_stages
from eccl.versioning.versions import record_runs
from eccl.workspace import find_workspace
from flows.support.artifacts import announce, show_training
from flows.support.define import define
from flows.support.dvc import one_dvc_command, run_stage
from flows.support.parameters import TrainParameters
from flows.support.policy import GPU_TAG

OTHER_FLOWS = ("validate", "publish")
WITHOUT_GPU = ("evaluate",)
NOT_SHOWN = ("Running stage", "> ", "Updating lock file", "To track the changes", "git add", "To enable auto staging",
             "dvc config", "Use `dvc push`", "Stage '")  # fmt: skip
"""First words of DVC's own lines, which the run's log holds and the terminal does not show."""


@define("train", TrainParameters, hours=21 * 24)
def train(parameters: TrainParameters) -> list[str]:
    """Run the training and evaluation stages whose inputs changed; returns the names of those that ran.

    A group of dvc.yaml stands for all of its stages: ``align`` for every ``align@...``.
    """
    place = find_workspace(parameters.workspace)
    require_passed_gate(place)
    chosen = choose_stages(list_stages(place.root), parameters.stages)
    with one_dvc_command(place.root, "dvc status"):
        changed = changed_stages(place.root, *chosen)
    if not changed:
        announce(f"Nothing to train: {len(chosen)} stages are up to date")
        return []
    ran: list[str] = []
    with bar("Train") as show:
        for number, stage in enumerate(chosen):
            show(number, len(chosen), stage)
            tags = () if stage in WITHOUT_GPU else (GPU_TAG,)
            if run_stage(place.root, stage, lambda line: show.print(line) if is_result(line) else None, tags=tags):
                ran.append(stage)
        show(len(chosen), len(chosen))
    record_runs(place)
    announce(f"Trained {len(ran)} stages, {len(chosen) - len(ran)} were up to date")
    show_training(place, {stage: "ran" if stage in ran else "up to date" for stage in chosen})
    return ran


def is_result(line: str) -> bool:
    """Whether a line of a stage's output is shown above the bar: its results, neither its epochs nor DVC's own lines."""
    return "  epoch " not in line and not line.strip().startswith(NOT_SHOWN)


def choose_stages(stages: list[str], wanted: list[str] | None) -> list[str]:
    """Expand names and groups to stages, in the order of dvc.yaml."""
    trainable = [stage for stage in stages if stage not in OTHER_FLOWS]
    if not wanted:
        return trainable
    unknown = [name for name in wanted if not any(stage == name or stage.startswith(f"{name}@") for stage in trainable)]
    if unknown:
        raise FlowError(f"no stage {', '.join(unknown)}; the stages of dvc.yaml are {', '.join(trainable)}")
    return [stage for stage in trainable if stage in wanted or stage.partition("@")[0] in wanted]
