"""Jobs: every run that some arms of the experiment table need, each once, parents before the runs that build on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eccl.data.run_records import run_name
from eccl.errors import ConfigError
from eccl.study.arms import GROUPS, Arm, ArmTable
from eccl.training.settings import ALL, TASKS

PARENT_TASK = {"pretrain_ecg": None, "pretrain_cmae": None, "align": "traits"}
"""Task of the run that an arm builds on, by its stage; a run of another stage has the arm's own task."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run to train.

    Parameters
    ----------
    stage, task
        Stage, and its task; None for a pre-training without one.
    variant, seed
        Arm or pre-training of the experiment table, and the seed.
    run
        Name of the run: ``align-I21.triplet.s43``.
    parents
        Stage -> name of a run that it reads; parents come earlier in the list.
    """

    stage: str
    task: str | None
    variant: str
    seed: int
    run: str
    parents: Mapping[str, str]


def list_jobs(
    table: ArmTable,
    arms: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[Job]:
    """Jobs of some arms, seed by seed, so that whole tables are finished one after another.

    Parameters
    ----------
    arms, groups
        Keys and groups of arms to take; default is every arm. Both together take arms that are in both. The key of a
        pre-training takes the runs of that pre-training alone, unless an arm has that key too.
    tasks
        Tasks to take from each arm; default is all of the arm's own. An arm that has none of them is left out.
    seeds
        Seeds of the table to take; default is all of them.

    Raises
    ------
    ConfigError
        The table has no such arm, group, task or seed, or no job is left.
    """
    shared = {key for some in table.pretraining.values() for key in some}
    alone = [key for key in arms or () if key not in table.arms and key in shared]
    named = None if arms is None else [key for key in arms if key not in alone]
    _check_known("arms", named, table.arms)
    _check_known("groups", groups, GROUPS)
    _check_known("tasks", tasks, (*TASKS, ALL))
    _check_known("seeds", seeds, table.seeds)
    chosen = [
        arm
        for arm in table.arms.values()
        if (named is None or arm.key in named) and (groups is None or arm.group in groups)
    ]
    jobs: dict[str, Job] = {}
    for seed in table.seeds if seeds is None else [seed for seed in table.seeds if seed in seeds]:
        for job in (*_pretraining_jobs(table, alone, seed, tasks), *_arm_jobs(table, chosen, seed, tasks)):
            jobs.setdefault(job.run, job)
    if not jobs:
        raise ConfigError("no chosen arm has a chosen task; choose others, or leave --tasks out")
    return list(jobs.values())


def scored_run(arm: Arm, task: str, seed: int) -> str:
    """Name of the run whose predictions are an arm's: ``align-I21.triplet.s42``, or ``pretrain_cmr-I21.swin.s42``."""
    return _name(arm.stage, task, arm.variant, seed)


def _name(stage: str, task: str | None, variant: str, seed: int) -> str:
    return f"{run_name(stage, task)}.{variant}.s{seed}"


def _arm_jobs(table: ArmTable, arms: Iterable[Arm], seed: int, tasks: Sequence[str] | None) -> Iterator[Job]:
    for arm in arms:
        for task in arm.tasks:
            if tasks is None or task in tasks:
                yield from _with_parents(table, arm.stage, arm.variant, task, seed)


def _pretraining_jobs(table: ArmTable, keys: Sequence[str], seed: int, tasks: Sequence[str] | None) -> Iterator[Job]:
    """Jobs of pre-trainings alone, for every task that some arm needs them for."""
    if keys:
        for job in _arm_jobs(table, table.arms.values(), seed, None):
            if job.variant in keys and (tasks is None or job.task is None or job.task in tasks):
                yield job


def _with_parents(table: ArmTable, stage: str, variant: str, task: str | None, seed: int) -> Iterator[Job]:
    direct = {} if table.is_pretraining(stage, variant) else table.arms[variant].parents
    parents: dict[str, str] = {}
    for below, key in direct.items():
        parent_task = PARENT_TASK.get(below, task)
        parents[below] = _name(below, parent_task, key, seed)
        yield from _with_parents(table, below, key, parent_task, seed)
    yield Job(stage, task, variant, seed, _name(stage, task, variant, seed), parents)


def _check_known(what: str, wanted: Iterable[str | int] | None, known: Iterable[str | int]) -> None:
    available = list(known)
    unknown = [str(one) for one in wanted or () if one not in available]
    if unknown:
        raise ConfigError(
            f"{what}: experiments/arms.yaml has no {', '.join(unknown)}; it has {', '.join(map(str, available))}"
        )
