"""Jobs: every run that some arms of the experiment table need, each once, parents before those that build on them.

Nothing is read or written here; a job follows from the table alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from eccl.errors import ConfigError
from eccl.training.settings.arms import GROUPS, TASKS, Arm, ArmTable, Naming, choose_naming

TASK_OF_PART = {"pretrain_ecg": None, "pretrain_cmae": None, "align": "traits"}
"""Task of the run that an arm builds on, by its stage; a stage that is not here has the arm's own task."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run to train.

    Parameters
    ----------
    stage, task
        Stage, and its task; None for a pre-training without one.
    variant, seed
        Arm or part of the experiment table, and the seed.
    run
        Name of the run: ``align-I21.triplet.s43``.
    parents
        Runs whose models or features it reads; they come earlier in the list.
    """

    stage: str
    task: str | None
    variant: str
    seed: int
    run: str
    parents: tuple[str, ...] = ()

    @property
    def dvc_stage(self) -> str:
        """Name for DVC, which takes no dot: ``align-I21-triplet-s43``."""
        return self.run.replace(".", "-")


def list_jobs(
    table: ArmTable,
    arms: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[Job]:
    """Jobs of some arms, in an order they can run in: seed by seed, so that whole tables are finished one after another.

    Parameters
    ----------
    arms, groups
        Keys and groups of arms to take; default is every arm. Both together take arms that are in both. A part's name takes
        the runs of that part alone, unless an arm has that name too.
    tasks
        Tasks to take from each arm; default is all of the arm's own. An arm that has none of them is left out.
    seeds
        Seeds of the table to take; default is all of them.

    Raises
    ------
    ConfigError
        The table has no such arm, group, task or seed, or nothing is left to do.
    """
    alone = [
        name for name in arms or () if name not in table.arms and any(name in known for known in table.parts.values())
    ]
    named = None if arms is None else [name for name in arms if name not in alone]
    chosen = choose_arms(table, named, groups)
    _check_known("tasks", tasks, (*TASKS, "all"))
    _check_known("seeds", seeds, table.seeds)
    jobs: dict[str, Job] = {}
    for seed in table.seeds if seeds is None else [seed for seed in table.seeds if seed in seeds]:
        every = [_part_jobs(table, part, seed, tasks) for part in alone]
        every += [
            _with_parents(table, arm.stage, arm.variant, task, seed)
            for arm in chosen
            for task in arm.tasks
            if tasks is None or task in tasks
        ]
        for some in every:
            for job in some:
                jobs.setdefault(job.run, job)
    if not jobs:
        raise ConfigError("no chosen arm has a chosen task; choose others, or leave --tasks out")
    return list(jobs.values())


def choose_arms(table: ArmTable, arms: Sequence[str] | None = None, groups: Sequence[str] | None = None) -> list[Arm]:
    """Arms by key and group, in the table's order.

    Raises
    ------
    ConfigError
        The table has no such arm or group.
    """
    _check_known("arms", arms, table.arms)
    _check_known("groups", groups, GROUPS)
    found = table.arms.values()
    return [arm for arm in found if (arms is None or arm.key in arms) and (groups is None or arm.group in groups)]


def _with_parents(table: ArmTable, stage: str, variant: str, task: str | None, seed: int) -> Iterator[Job]:
    naming = choose_naming(table, stage, variant, seed)
    parents: list[str] = []
    for below, part in _parts(table, naming).items():
        parent_task = TASK_OF_PART.get(below, task)
        parents.append(naming.run(below, parent_task))
        yield from _with_parents(table, below, part, parent_task, seed)
    yield Job(stage, task, variant, seed, naming.run(stage, task), tuple(parents))


def _part_jobs(table: ArmTable, part: str, seed: int, tasks: Sequence[str] | None) -> Iterator[Job]:
    """Jobs of a part, whichever arms need them."""
    for arm in table.arms.values():
        for task in arm.tasks:
            for job in _with_parents(table, arm.stage, arm.variant, task, seed):
                if job.variant == part and (tasks is None or job.task is None or job.task in tasks):
                    yield job


def _parts(table: ArmTable, naming: Naming) -> dict[str, str]:
    """What a variant itself builds on; a naming also knows what lies below that."""
    if naming.variant in table.parts.get(naming.stage, {}):
        return {}
    return dict(table.arms[naming.variant].parts)


def _check_known(what: str, wanted: Iterable[str | int] | None, known: Iterable[str | int]) -> None:
    there = list(known)
    unknown = [str(one) for one in wanted or () if one not in there]
    if unknown:
        raise ConfigError(
            f"{what}: experiments/arms.yaml has no {', '.join(unknown)}; it knows {', '.join(map(str, there))}"
        )
