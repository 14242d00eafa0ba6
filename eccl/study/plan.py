"""What a call of `eccl table1` would train, by arm, and the time that jobs take, measured on finished jobs.

::

    .eccl/table1.json      seconds by preset and kind of job; without it the next call starts with no estimate
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from eccl.data.files import replace_file
from eccl.study.arms import ArmTable
from eccl.study.jobs import Job
from eccl.workspace import Workspace

_KEPT = 5
"""Jobs of a kind whose times are kept: the latest, because a machine may change."""


class Durations:
    """Times of finished jobs, by preset and kind of job.

    Parameters
    ----------
    path
        File that keeps them.
    preset
        Name of the preset: times of another one are not used.
    """

    def __init__(self, path: Path, preset: str) -> None:
        self._path, self._preset = path, preset
        self._times = _read(path)

    def add(self, job: Job, seconds: float) -> None:
        """Keep one job's time."""
        times = self._times.setdefault(self._preset, {}).setdefault(" ".join(_kind(job)), [])
        times.append(round(seconds, 1))
        del times[:-_KEPT]
        replace_file(self._path, json.dumps(self._times, indent=1, sort_keys=True).encode())

    def expect(self, job: Job) -> float | None:
        """Expected seconds of a job: the mean of the most similar finished jobs; None if there are none."""
        kind = _kind(job)
        for length in (3, 2, 1, 0):  # same arm, same kind of task, same stage, any
            times = [
                one
                for name, some in self._times.get(self._preset, {}).items()
                if name.split()[:length] == kind[:length]
                for one in some
            ]
            if times:
                return fmean(times)
        return None

    def remaining(self, jobs: Iterable[Job], spent: float = 0.0) -> float | None:
        """Seconds that jobs will take, `spent` of the first one being over; None where nothing has been measured."""
        expected = [self.expect(job) for job in jobs]
        if not expected or None in expected:
            return None if expected else 0.0
        first, *others = [seconds or 0.0 for seconds in expected]
        return max(first - spent, 0.0) + sum(others)


def open_durations(workspace: Workspace, preset: str) -> Durations:
    """Times that earlier calls in a workspace measured."""
    return Durations(workspace.state / "table1.json", preset)


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """The jobs of one arm, or of a pre-training that arms share.

    Parameters
    ----------
    variant, stage
        Key of the arm or pre-training, and its stage.
    is_pretraining
        Whether it is a pre-training.
    title
        The arm's title; of a pre-training those of the arms that are scored by its runs.
    jobs, to_run
        Jobs over tasks and seeds, and how many of them are missing or out of date.
    seconds
        Expected time of those; None where nothing has been measured.
    """

    variant: str
    stage: str
    is_pretraining: bool
    title: str
    jobs: int
    to_run: int
    seconds: float | None


def summarise(
    table: ArmTable, jobs: Sequence[Job], outdated: Collection[str], durations: Durations
) -> list[VariantPlan]:
    """A line per pre-training and arm, pre-trainings first; every job is counted once.

    Parameters
    ----------
    outdated
        Runs that are missing or out of date.
    """
    found: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        found.setdefault((job.stage, job.variant), []).append(job)
    order = [(stage, key) for stage, some in table.pretraining.items() for key in some]
    order += [(arm.stage, arm.variant) for arm in table.arms.values() if arm.variant == arm.key]
    return [_plan(table, *place, found[place], outdated, durations) for place in order if place in found]


def _plan(
    table: ArmTable, stage: str, key: str, jobs: Sequence[Job], outdated: Collection[str], durations: Durations
) -> VariantPlan:
    to_run = [job for job in jobs if job.run in outdated]
    titles = [arm.title for arm in table.arms.values() if (arm.stage, arm.variant) == (stage, key)]
    seconds = durations.remaining(to_run)
    return VariantPlan(key, stage, table.is_pretraining(stage, key), ", ".join(titles), len(jobs), len(to_run), seconds)


def _kind(job: Job) -> list[str]:
    """``align disease triplet``: other seeds and other diseases take as long."""
    task = job.task if job.task in {None, "traits", "all"} else "disease"
    return [job.stage, task or "-", job.variant]


def _read(path: Path) -> dict[str, dict[str, list[float]]]:
    try:
        found: dict[str, dict[str, list[float]]] = json.loads(path.read_text())
        return found
    except (OSError, ValueError):
        return {}
