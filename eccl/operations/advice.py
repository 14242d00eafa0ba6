"""The next command to type: the first thing that stands in the way of an up-to-date store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from eccl.data.gate_result import FAILED
from eccl.data.run_names import training_command
from eccl.operations.state import Status


def advise(status: Status) -> Status:
    """The status with the next command and the reason for it."""
    command, why = next(_steps(status))
    return replace(status, next=(command, why))


def _steps(status: Status) -> Iterator[tuple[str, str]]:
    yield from (_interrupted(status))
    if status.data.data_version is None:
        yield "eccl ingest RAW", "there is no data yet; a recorded version comes with `dvc pull`"
    if status.unreadable:
        yield "dvc checkout --force data.dvc", f"tables cannot be read: {', '.join(status.unreadable)}"
    if status.gate.status in {"absent", "other data", "unreadable"}:
        yield "eccl validate", f"the gate's result is {status.gate.status}"
    if status.gate.status == FAILED:
        yield "eccl validate", "the gate failed; read reports/gate/summary.html, mend the data, ingest again"
    if status.data.git_commit is None:
        yield "eccl ingest RAW --record", "this version of data/ is not recorded"
    if status.data.remote and status.data.is_pushed is False:
        yield f"dvc push --remote {status.data.remote} data.dvc", "the recorded version is not on the remote"
    yield from _training(status)
    if not status.is_published:
        yield "eccl publish", "the latest release does not show this data"
    if status.stages and set(status.stages) == {"publish"}:
        yield "eccl publish", "features or models changed since the latest release"
    if status.experiments.stale:
        yield "eccl table1", f"{status.experiments.stale} runs of experiments were trained on other data"
    if status.quarantine:
        yield "eccl quarantine list", "everything is up to date; some files were refused"
    yield "eccl sql", "everything is up to date"


def _interrupted(status: Status) -> Iterator[tuple[str, str]]:
    for one in status.interrupted:
        if one.remedy.startswith("eccl withdraw"):
            yield one.remedy, one.what
    if status.lock.is_held:
        yield "eccl status", f"wait: the workspace is {status.lock.describe()}"


def _training(status: Status) -> Iterator[tuple[str, str]]:
    if not status.runs:
        yield "eccl train", "there is no model yet"
    for one in status.interrupted:
        if one.remedy.startswith(("eccl train", "eccl table1")):
            yield one.remedy, one.what
    orphans = [run.run for run in status.runs if run.run_id is None]
    if orphans:
        yield training_command(orphans[0]), "features are there whose run is not"
    stale = [run.run for run in status.runs if not run.is_current and run.without]
    lacking = [run.run for run in status.runs if run.is_current and any(run.without.values())]
    if stale or lacking:
        why = f"features of {len(stale)} runs are stale" if stale else f"{len(lacking)} runs lack visits"
        yield f"eccl materialize {(stale or lacking)[0]}", why
    retrain = [stage for stage in status.stages or {} if stage.startswith(("pretrain", "align", "evaluate"))]
    if retrain:
        yield "eccl train", f"inputs of {len(retrain)} stages changed"
