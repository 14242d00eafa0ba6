"""Run jobs that are out of date, one after another, through DVC; a killed call is taken up by the next one.

::

    eccl table1 (this process)        shows what happens and how long it will take; holds .eccl/dvc.lock
      python -m eccl.study.scheduler      runs a stage of experiments/s42/dvc.yaml at a time; ends when this process does
        python -m eccl.training       a job: its checkpoint in .eccl/checkpoints, its outputs aside and renamed

What is finished is in the lock of its seed, which grows with every job.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from eccl.errors import FlowError
from eccl.study.scheduler.durations import Durations, open_durations
from eccl.study.scheduler.events import read_epoch, read_line
from eccl.study.scheduler.jobs import Job
from eccl.study.scheduler.pipeline import outdated_stages, pipeline_of, write_pipeline
from eccl.study.scheduler.record import record, why_not_recorded
from eccl.training.settings.arms import ArmTable
from eccl.versioning.gate import require_passed_gate
from eccl.versioning.repository import dvc_lock
from eccl.workspace import Workspace

_LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come.

    Parameters
    ----------
    job
        The job that this is about.
    what
        ``begun``, ``epoch``, ``finished``, ``unchanged``, or ``failed``.
    done, total
        Jobs that are up to date, and all jobs of the call.
    left_s
        Seconds to the end; None while nothing is known of the jobs that are left.
    note
        Epoch and time to go of the job; empty otherwise.
    """

    job: Job
    what: str
    done: int
    total: int
    left_s: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did, as names of runs."""

    trained: tuple[str, ...]
    unchanged: tuple[str, ...]


def find_stale(workspace: Workspace, table: ArmTable, jobs: Sequence[Job]) -> list[tuple[Job, str]]:
    """Jobs to run, each with the reason: what changed, or a parent that will be trained before.

    Nothing is written: a job whose stage is older than the table is said to be changed by it.

    Raises
    ------
    VersionError
        The workspace is under no DVC.
    """
    from eccl.study.scheduler.stages import read_stale

    outdated = outdated_stages(workspace, table, jobs)
    current = sorted({pipeline_of(job.seed) for job in jobs if job.dvc_stage not in outdated})
    changed = read_stale(workspace.root, current) if current else {}
    found: dict[str, tuple[Job, str]] = {}
    for job in jobs:
        parents = [parent for parent in job.parents if parent in found]
        if not (workspace.run_folder(job.run) / "run.json").is_file():
            found[job.run] = (job, "not trained yet")
        elif job.dvc_stage in outdated:
            found[job.run] = (job, "the table changed")
        elif job.dvc_stage in changed:
            found[job.run] = (job, changed[job.dvc_stage])
        elif parents:
            found[job.run] = (job, f"builds on {parents[0]}")
    return list(found.values())


def run_jobs(
    workspace: Workspace,
    table: ArmTable,
    jobs: Sequence[Job],
    preset: str,
    lock: IO[str],
    on_progress: Callable[[Progress], None] = lambda told: None,
    on_warning: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Outcome:
    """Bring the stages up to the table, train what is missing or out of date, then commit experiments/.

    Parameters
    ----------
    jobs
        In an order they can run in; parents included.
    preset
        Name of the preset, under which times are remembered.
    lock
        What :func:`hold` gave: no other DVC command changes stages or runs until the caller is through with them.
    on_warning
        Is told why experiments/ is not committed, where it is not: before the training if that can be seen then.

    Raises
    ------
    GateError
        The gate is missing, failed without an override, or belongs to other data.
    FlowError
        A job failed; the message ends with its last lines. What was finished before stays finished.
    """
    require_passed_gate(workspace)
    if warning := why_not_recorded(workspace):
        on_warning(warning)
    write_pipeline(workspace, table)
    stale = [job for job, _ in find_stale(workspace, table, jobs)]
    fresh = [job.run for job in jobs if job not in stale]
    call = _Call(stale, len(jobs), open_durations(workspace, preset), on_progress)
    try:
        status = _train(workspace, stale, lock, call) if stale else 0
    finally:
        # Also where nothing was trained: a call that was killed may have left what it finished.
        if warning := record(workspace):
            on_warning(warning)
    if status or call.waiting:
        raise FlowError(call.failure(status))
    return Outcome(tuple(call.trained), (*fresh, *call.unchanged))


def _train(workspace: Workspace, stale: Sequence[Job], lock: IO[str], call: _Call) -> int:
    with _started(workspace, stale, lock) as process:
        assert process.stdout is not None
        for line in process.stdout:
            call.hear(line.rstrip())
    return process.returncode


class _Call:
    """Follows what the process tells."""

    def __init__(
        self, stale: Sequence[Job], total: int, durations: Durations, on_progress: Callable[[Progress], None]
    ) -> None:
        self.waiting = list(stale)
        self.trained: list[str] = []
        self.unchanged: list[str] = []
        self._total, self._durations, self._on_progress = total, durations, on_progress
        self._begun = time.monotonic()
        self._last: list[str] = []

    def hear(self, line: str) -> None:
        """Take in one line."""
        event = read_line(line)
        if event is not None:
            self._follow(event)
        elif line:
            self._last = [*self._last[1 - _LAST_LINES :], line]
            if note := read_epoch(line):
                self._tell("epoch", self.waiting[0], note)

    def failure(self, status: int) -> str:
        """What to say of a call that did not come to its end."""
        where = self.waiting[0].run if self.waiting else "the last job"
        return (
            f"{where} failed (exit {status}); {len(self.trained)} jobs were trained before it and stay, {len(self.waiting)} are left. "
            "Run the same command again when its reason is mended; its last lines:\n" + "\n".join(self._last)
        )

    def _follow(self, event: str) -> None:
        job = self.waiting[0]
        seconds = time.monotonic() - self._begun
        if event == "begun":
            self._begun, self._last = time.monotonic(), []
        elif event in {"finished", "unchanged"}:
            del self.waiting[0]
            (self.trained if event == "finished" else self.unchanged).append(job.run)
            if event == "finished":
                self._durations.add(job, seconds)
        self._tell(event, job)

    def _tell(self, what: str, job: Job, note: str = "") -> None:
        spent = time.monotonic() - self._begun if what == "epoch" else 0.0
        left = self._durations.left(self.waiting, spent)
        self._on_progress(Progress(job, what, self._total - len(self.waiting), self._total, left, note))


def _address(job: Job) -> str:
    return f"{pipeline_of(job.seed)}:{job.dvc_stage}"


@contextlib.contextmanager
def _started(workspace: Workspace, jobs: Sequence[Job], lock: IO[str]) -> Iterator[subprocess.Popen[str]]:
    # The stages' commands (`python`) are those of this very installation, activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "eccl.study.scheduler", str(workspace.root), *map(_address, jobs)],
        cwd=workspace.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        bufsize=1,
        env={**os.environ, "PATH": path, "ECCL_WORKSPACE": str(workspace.root), "DVC_NO_ANALYTICS": "true"},
        start_new_session=True,
        pass_fds=[lock.fileno()],  # held until the process has ended too, should this one be killed
    )
    try:
        yield process
        process.wait()
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # an error or Ctrl-C: this ends it and its stage
        for _ in process.stdout:
            pass  # what it still says; it must not wait for a reader
        process.stdout.close()
        process.wait()


def hold(workspace: Workspace) -> contextlib.AbstractContextManager[IO[str]]:
    """Hold the workspace against other DVC commands, those of the flows included.

    Raises
    ------
    LockedError
        Another DVC command runs in this workspace.
    """
    return dvc_lock(workspace.root, "eccl table1")
