"""Train the jobs that are missing or out of date, one after another in this process, parents first.

A job is out of date if its run id, the content id of data, configuration and parents (:func:`eccl.training.runs.identify`),
is not the one in models/<run>/run.json, or if its features are not those of that run. A call that was killed is continued by
the next one: finished runs are found by their id, the interrupted one continues from its checkpoint.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from eccl.data.parts import data_version
from eccl.errors import EcclError, FlowError
from eccl.study.arms import ArmTable
from eccl.study.jobs import Job
from eccl.study.plan import open_durations
from eccl.versioning.gate import GateStatus, require_passed_gate
from eccl.workspace import Workspace

MISSING = "not trained yet"


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a call, reported when a job begins, prints a line, is finished or fails.

    Parameters
    ----------
    job
        The job.
    event
        ``begun``, ``line``, ``finished`` or ``failed``.
    done, total
        Jobs that are up to date, and all jobs of the call.
    left_s
        Expected seconds to the end; None while nothing has been measured.
    line
        What the job printed, for event ``line``: mostly the epoch and its time to go.
    """

    job: Job
    event: str
    done: int
    total: int
    left_s: float | None
    line: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Names of the runs that a call trained, and of those that were up to date."""

    trained: tuple[str, ...]
    unchanged: tuple[str, ...]


def find_outdated(workspace: Workspace, table: ArmTable, jobs: Sequence[Job]) -> list[tuple[Job, str]]:
    """Jobs to train, each with the reason. Nothing is written, and no array is read.

    Parameters
    ----------
    jobs
        In an order they can run in; parents included.
    """
    found: dict[str, tuple[Job, str]] = {}
    check: _Check | None = None
    for job in jobs:
        parents = [parent for parent in job.parents.values() if parent in found]
        if not (workspace.run_folder(job.run) / "run.json").is_file():
            reason = MISSING
        elif parents:
            reason = f"builds on {parents[0]}"
        else:  # the stages are imported, which takes seconds, only where there is something to compare
            check = check or _Check(workspace, table)
            reason = check.difference(job)
        if reason:
            found[job.run] = (job, reason)
    return list(found.values())


def run_jobs(
    workspace: Workspace,
    table: ArmTable,
    jobs: Sequence[Job],
    preset: str,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Train what is missing or out of date. The caller holds the workspace's DVC lock.

    Parameters
    ----------
    jobs
        In an order they can run in; parents included.
    preset
        Name of the preset, under which times are kept.

    Raises
    ------
    GateError
        The gate was not run, failed without an override, or belongs to other data.
    FlowError
        A job failed. Jobs that were finished before it stay finished.
    """
    require_passed_gate(workspace)
    waiting = [job for job, _ in find_outdated(workspace, table, jobs)]
    unchanged = tuple(job.run for job in jobs if job not in waiting)
    durations, trained = open_durations(workspace, preset), list[str]()
    while waiting:
        job, begun = waiting[0], time.monotonic()

        def report(event: str, line: str = "", job: Job = job, begun: float = begun) -> None:
            spent = time.monotonic() - begun if event == "line" else 0.0
            left = durations.remaining(waiting, spent)
            on_progress(Progress(job, event, len(jobs) - len(waiting), len(jobs), left, line))

        report("begun")
        try:
            _train(workspace, table, job, lambda line: report("line", line))
        except Exception as error:
            report("failed")
            raise FlowError(_failure(job, error, len(trained), len(waiting))) from error
        durations.add(job, time.monotonic() - begun)
        trained.append(job.run)
        del waiting[0]
        report("finished")
    return Outcome(tuple(trained), unchanged)


def train_job(workspace: Workspace, table: ArmTable, job: Job, **runtime: Any) -> Any:
    """Train one job, whose parents are trained, in this process.

    Parameters
    ----------
    runtime
        Devices, precision and so on, see :class:`eccl.training.loop.runtime.RuntimeConfig`; by default those of the
        environment.

    Returns
    -------
    eccl.training.runs.Run or None
        None in a process that only helped to train.
    """
    from eccl.training.loop.runtime import runtime_from_environment
    from eccl.training.session import open_session
    from eccl.training.settings import load_params

    variant = table.variant(job.stage, job.variant)
    params = load_params(workspace.params_file, changes=variant.settings(job.seed))
    config = runtime_from_environment(**runtime)
    session = open_session(workspace, job.stage, job.task, config, params, names_of(table, job))
    session.runtime.launch()
    return _stage(job).run(session)


def names_of(table: ArmTable, job: Job) -> Any:
    """Names of a job's run for the training stages, :class:`eccl.training.runs.RunNames`."""
    from eccl.training.runs import RunNames

    return RunNames(job.run, job.parents, job.variant, job.seed, table.variant(job.stage, job.variant).describe())


class _Check:
    """Compares finished runs with what their jobs would train now."""

    def __init__(self, workspace: Workspace, table: ArmTable) -> None:
        from eccl.training.loop.runtime import Runtime
        from eccl.training.settings import read_params

        self._workspace, self._table = workspace, table
        self._content = read_params(workspace.params_file)
        self._gate = GateStatus("", "", None, data_version(workspace.data))
        self._runtime = Runtime()

    def difference(self, job: Job) -> str:
        """What changed since a job's run was trained; empty if it is up to date."""
        from eccl.training.runs import load_run
        from eccl.training.session import Session
        from eccl.training.settings import resolve_params

        changes = self._table.variant(job.stage, job.variant).settings(job.seed)
        params, problems = resolve_params(self._content, changes=changes)
        if params is None:
            return f"its configuration has problems: {problems[0]}"
        names = names_of(self._table, job)
        session = Session(self._workspace, params, self._gate, self._runtime, job.task, names)
        found = load_run(self._workspace, job.run).record
        try:
            wanted = _stage(job).identify_run(session)
        except EcclError as error:  # a parent of other data, e.g. outside of the chosen jobs
            return str(error)
        if found["run_id"] == wanted.run_id:
            return "" if self._is_complete(job) else "its features are incomplete"
        if found["data_version"] != wanted.data_version:
            return "the data changed"
        return "its parameters changed" if found["params_sha256"] != wanted.params_sha256 else "a parent changed"

    def _is_complete(self, job: Job) -> bool:
        """Whether the weights and all feature views of the run are there; the views are written after run.json."""
        from eccl.training.backfill.missing_rows import views_of
        from eccl.training.runs import WEIGHTS, load_run

        run = load_run(self._workspace, job.run)
        files = [self._workspace.features / view.name / f"{job.run}.parquet" for view in views_of(run)]
        if not all(file.is_file() for file in (run.folder / WEIGHTS, *files)):
            return False
        return all(run_ids <= {run.run_id} for run_ids in map(_run_ids, files))


def _run_ids(file: Any) -> set[str]:
    """Run ids in a feature file, from its statistics."""
    metadata = pq.read_metadata(file)
    column = metadata.schema.names.index("run_id")
    statistics = [metadata.row_group(group).column(column).statistics for group in range(metadata.num_row_groups)]
    return {bound for one in statistics if one is not None and one.has_min_max for bound in (one.min, one.max)}


def _train(workspace: Workspace, table: ArmTable, job: Job, on_line: Callable[[str], None]) -> None:
    from eccl.training.loop.runtime import runtime_from_environment

    with contextlib.redirect_stdout(_Lines(on_line)):
        if runtime_from_environment().devices == 1:
            train_job(workspace, table, job)
        else:
            _train_apart(workspace, job, on_line)
    gc.collect()  # the network and its arrays before those of the next job


def _train_apart(workspace: Workspace, job: Job, on_line: Callable[[str], None]) -> None:
    """Train a job in a process of its own: with several devices every helper process runs the same command again."""
    command = [sys.executable, "-m", "eccl.study", job.run, "--workspace", str(workspace.root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as one:
        try:
            lines = list[str]()
            for line in one.stdout or ():
                lines = [*lines[-19:], line.rstrip()]
                on_line(lines[-1])
        except BaseException:
            one.terminate()
            raise
    if one.returncode:
        raise FlowError(f"exit {one.returncode}; its last lines:\n" + "\n".join(lines))


def _stage(job: Job) -> Any:
    return importlib.import_module(f"eccl.training.stages.{job.stage}")


def _failure(job: Job, error: Exception, trained: int, waiting: int) -> str:
    # An unexpected error is reported with the place where it was raised.
    known = isinstance(error, EcclError)
    text = str(error) if known else "".join(traceback.format_exception(error, limit=-3)).strip()
    return (
        f"{job.run} failed: {text}\n{trained} jobs were trained before it and stay, {waiting} are left; correct the reason and "
        "run the same command again"
    )


class _Lines(io.TextIOBase):
    """Standard output that passes on each line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line, self._rest = on_line, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(None, lines):
            self._on_line(line)
        return len(text)
