"""What a call of `eccl table1` would do, arm by arm."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from eccl.study.scheduler.durations import Durations
from eccl.study.scheduler.jobs import Job
from eccl.training.settings.arms import ArmTable


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """The jobs of one arm, or of a part that arms share.

    Parameters
    ----------
    variant, stage
        Key of the arm or part, and its stage.
    is_part
        Whether it is a part.
    title
        The arm's title; of a part those of the arms that are scored by its runs.
    jobs, to_run
        Jobs over tasks and seeds, and how many of them are missing or out of date.
    seconds
        How long those will take; None where nothing is known of them.
    """

    variant: str
    stage: str
    is_part: bool
    title: str
    jobs: int
    to_run: int
    seconds: float | None


def summarise(table: ArmTable, jobs: Sequence[Job], stale: Collection[str], durations: Durations) -> list[VariantPlan]:
    """A line per part and arm, parts first; every job is counted once.

    Parameters
    ----------
    stale
        Runs that are missing or out of date.
    """
    found: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        found.setdefault((job.stage, job.variant), []).append(job)
    places = [(stage, part) for stage, some in table.parts.items() for part in some]
    places += [(arm.stage, arm.key) for arm in table.arms.values()]
    plans = []
    for stage, variant in (place for place in places if place in found):
        mine = found.pop((stage, variant))
        left = [job for job in mine if job.run in stale]
        is_part = variant in table.parts.get(stage, {})
        title = _scored_titles(table, stage, variant) if is_part else table.arms[variant].title
        plans.append(VariantPlan(variant, stage, is_part, title, len(mine), len(left), durations.left(left)))
    return plans


def _scored_titles(table: ArmTable, stage: str, part: str) -> str:
    return ", ".join(arm.title for arm in table.arms.values() if (arm.stage, arm.variant) == (stage, part))
