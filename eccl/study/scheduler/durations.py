"""How long jobs took, remembered from one call to the next, and how long those that are left will take.

::

    .eccl/table1.json      seconds by kind of job; deleting it costs the first estimate of the next call
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean

from eccl.data.files import replace_file
from eccl.study.scheduler.jobs import Job
from eccl.workspace import Workspace

_KEPT = 5
"""Jobs of a kind whose times are kept: a machine may change."""


class Durations:
    """Times of finished jobs, by preset and kind of job.

    Parameters
    ----------
    path
        File to remember them in.
    preset
        Jobs of one preset tell nothing of another's.
    """

    def __init__(self, path: Path, preset: str) -> None:
        self._path, self._preset = path, preset
        self._known = _read(path)

    def add(self, job: Job, seconds: float) -> None:
        """Remember one job's time."""
        mine = self._known.setdefault(self._preset, {}).setdefault(_exact(job), [])
        mine.append(round(seconds, 1))
        del mine[:-_KEPT]
        replace_file(self._path, json.dumps(self._known, indent=1, sort_keys=True).encode())

    def expect(self, job: Job) -> float | None:
        """Seconds a job will take: as its own kind did, else as its stage did, else as all did; None where nothing is known."""
        known = self._known.get(self._preset, {})
        for names in _likenesses(job, known):
            seconds = [one for name in names for one in known[name]]
            if seconds:
                return fmean(seconds)
        return None

    def left(self, jobs: Iterable[Job], spent: float = 0.0) -> float | None:
        """Seconds that jobs will take, `spent` of the first one being over; None where that cannot be told."""
        expected = [self.expect(job) for job in jobs]
        if not expected or None in expected:
            return None if expected else 0.0
        first, *others = [seconds or 0.0 for seconds in expected]
        return max(first - spent, 0.0) + sum(others)


def open_durations(workspace: Workspace, preset: str) -> Durations:
    """Times that earlier calls left in a workspace."""
    return Durations(workspace.state / "table1.json", preset)


def _exact(job: Job) -> str:
    """``align disease triplet``: other seeds and other diseases take as long."""
    kind = job.task if job.task in {None, "traits", "all"} else "disease"
    return f"{job.stage} {kind or '-'} {job.variant}"


def _likenesses(job: Job, known: Iterable[str]) -> Iterator[list[str]]:
    names, exact = list(known), _exact(job)
    yield [name for name in names if name == exact]
    yield [name for name in names if name.split()[:2] == exact.split()[:2]]
    yield [name for name in names if name.split()[0] == job.stage]
    yield names


def _read(path: Path) -> dict[str, dict[str, list[float]]]:
    try:
        found: dict[str, dict[str, list[float]]] = json.loads(path.read_text())
        return found
    except (OSError, ValueError):
        return {}
