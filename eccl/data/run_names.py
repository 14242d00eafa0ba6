"""Names of runs: of the workspace's own pipeline or of the experiment table, and the command that trains a run.

::

    align-I21                  stage and task: a stage of dvc.yaml
    align-I21.triplet.s43      and variant and seed: a job of the experiment table
"""

from __future__ import annotations


def run_name(stage: str, task: str | None) -> str:
    """``pretrain_ecg``, ``align-I21``: name of one of the workspace's own runs, of its model folder and feature files."""
    return stage if task is None else f"{stage}-{task}"


def is_of_experiment(run: str) -> bool:
    """Whether a run is an arm's or a part's of the experiment table."""
    return "." in run


def task_of(run: str) -> str:
    """Task in a run's name; empty where the stage has none."""
    return run.partition(".")[0].partition("-")[2]


def training_command(run: str) -> str:
    """The command that trains a run: ``eccl train align@I21``, or ``eccl table1 --arms triplet ... --train-only``."""
    if not is_of_experiment(run):
        return f"eccl train {run.replace('-', '@', 1)}"
    variant, _, seed = run.partition(".")[2].rpartition(".s")
    task = task_of(run)
    return f"eccl table1 --arms {variant}{f' --tasks {task}' if task else ''} --seeds {seed} --train-only"
