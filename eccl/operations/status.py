"""State of a workspace: what is recorded, stale, missing, unreadable, quarantined or unfinished, and the next command."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.lock import read_note
from eccl.data.parts import data_version, read_table, table_files
from eccl.data.run_records import FAILED, OVERRIDDEN, PASSED, read_gate_result, training_command
from eccl.errors import ChecksumError, EcclError, VersionError
from eccl.ingest.quarantine import count_quarantine, read_quarantine
from eccl.ledger.releases import LATEST, read_ledger
from eccl.ledger.tombstones import journal_path
from eccl.operations.runs import ExperimentState, RunState, read_experiments, read_runs
from eccl.quality.product.tables import count_leftovers
from eccl.versioning.repository import changed_stages, run_dvc
from eccl.versioning.versions import DVC_FILE, default_remote, list_versions
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DataState:
    """The version under data/.

    Parameters
    ----------
    data_version
        None where there is no data.
    git_commit, recorded_at
        Commit of the recorded version; None where it is not recorded.
    remote, is_pushed
        Default remote, and whether it has this version; None where that was not checked.
    rows
        Rows by table.
    """

    data_version: str | None = None
    git_commit: str | None = None
    recorded_at: datetime | None = None
    remote: str | None = None
    is_pushed: bool | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateState:
    """Result of the gate: ``passed``, ``failed``, ``overridden``, ``absent``, ``unreadable``, or ``other data``."""

    status: str
    critical_failures: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """Files or rows quarantined for one reason."""

    kind: str
    reason: str
    count: int
    remedy: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """An operation that was begun and not finished."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Lock:
    """The write lock of a workspace.

    Parameters
    ----------
    is_held
        Whether a living process holds it.
    is_stale
        Whether its last holder was killed; harmless, the next writer takes the lock.
    what, pid, host, age_s
        Command of the holder, its process, and seconds since it took the lock; None where the file does not contain them.
    """

    is_held: bool
    is_stale: bool
    what: str | None = None
    pid: int | None = None
    host: str | None = None
    age_s: int | None = None

    def describe(self) -> str:
        """Return the lock's state as text."""
        if not self.is_held and not self.is_stale:
            return "no process is writing"
        holder = f"`eccl {self.what}` (process {self.pid} on {self.host}, since {self.age_s} s)"
        holder = holder if self.what else "an unnamed process"
        return f"held by {holder}" if self.is_held else f"left by {holder}, which ended without releasing it"


@dataclass(frozen=True, slots=True)
class Status:
    """State of a workspace.

    Parameters
    ----------
    pairs, missing
        Visits that are pairs; and visits that are not, by reason.
    stages
        Stages whose inputs changed, with the reason; None where DVC was not called or failed.
    runs, experiments
        The workspace's own runs; and counts of the experiment table's runs.
    release, is_published
        Latest release, and whether it contains the data of the workspace.
    unreadable
        Tables that could not be read.
    next
        The next command, and why.
    """

    data: DataState
    gate: GateState
    pairs: int
    missing: Mapping[str, int]
    runs: tuple[RunState, ...]
    experiments: ExperimentState
    stages: Mapping[str, str] | None
    quarantine: tuple[QuarantineCount, ...]
    interrupted: tuple[Interruption, ...]
    lock: Lock
    release: str | None
    is_published: bool
    unreadable: tuple[str, ...]
    next: tuple[str, str] = ("", "")

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON."""
        return asdict(self) | {"next": {"command": self.next[0], "why": self.next[1]}}


def read_status(workspace: Workspace, *, quick: bool = False) -> Status:
    """Read the state of a workspace; nothing is written.

    Parameters
    ----------
    quick
        Do not call DVC for stages and the remote, which takes seconds.
    """
    version = _version(workspace)
    rows, unreadable = _count_rows(workspace)
    ledger = read_ledger(workspace)
    latest = ledger.aliases.get(LATEST)
    release = ledger.find(latest) if latest else None
    status = Status(
        data=_read_data(workspace, version, rows, quick),
        gate=read_gate(workspace, version),
        pairs=rows.get("pairs", 0),
        missing=_missing(workspace),
        runs=tuple(read_runs(workspace, version)) if version else (),
        experiments=read_experiments(workspace, version) if version else ExperimentState(),
        stages=None if quick else read_stages(workspace),
        quarantine=tuple(_quarantine(workspace)),
        interrupted=tuple(_interruptions(workspace)),
        lock=read_lock(workspace),
        release=latest,
        is_published=bool(release and release.data_version == version and workspace.database.is_file()),
        unreadable=tuple(unreadable),
    )
    return replace(status, next=advise(status))


def read_gate(workspace: Workspace, version: str | None) -> GateState:
    """Read the gate's result for a data version."""
    if not (workspace.gate / "gate.json").is_file():
        return GateState("absent")
    try:
        found = read_gate_result(workspace.gate)
        counts = int(found["critical_failures"]), int(found["warnings"])
        status = OVERRIDDEN if found["status"] != PASSED and found["override"] else str(found["status"])
        return GateState(status if found["data_version"] == version else "other data", *counts)
    except (OSError, ValueError, KeyError, TypeError):
        return GateState("unreadable")


def read_lock(workspace: Workspace) -> Lock:
    """Read the state of the write lock, which is taken for an instant only."""
    path = workspace.state / "write.lock"
    if not path.is_file():
        return Lock(is_held=False, is_stale=False)
    with path.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_held = False
        except BlockingIOError:
            is_held = True
    note = read_note(path)
    if note is None:
        return Lock(is_held, is_stale=False)
    return Lock(is_held, not is_held, note.what, note.pid, note.host, note.age_s)


def read_stages(workspace: Workspace) -> dict[str, str] | None:
    """Stages that `dvc repro` would run, with the reason; None where DVC fails."""
    try:
        found = changed_stages(workspace.root) if (workspace.root / ".dvc").is_dir() else None
    except (VersionError, ValueError):
        return None
    return found and {name: _reasons(changes) for name, changes in sorted(found.items())}


def remote_name(workspace: Workspace) -> str | None:
    """The user's default remote; None where there is none that can be pushed to."""
    try:
        return default_remote(workspace) if (workspace.root / ".dvc").is_dir() else None
    except VersionError:
        return None


def is_pushed(workspace: Workspace, remote: str) -> bool | None:
    """Whether the remote has everything that data.dvc names; None where DVC fails."""
    try:
        return not json.loads(run_dvc(workspace.root, "status", "--cloud", "--json", "--remote", remote, DVC_FILE))
    except (VersionError, ValueError):
        return None


def _reasons(changes: list[Mapping[str, Mapping[str, str]] | str]) -> str:
    found: list[str] = []
    for change in changes:
        if isinstance(change, str):
            found.append(change)
            continue
        for what, names in change.items():
            listed = sorted(names) if isinstance(names, Mapping) else []
            several = ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
            found.append(f"{what}: {several}".rstrip(": "))
    return "; ".join(found)


def _version(workspace: Workspace) -> str | None:
    try:
        return data_version(workspace.data)
    except EcclError:
        return None


def _read_data(workspace: Workspace, version: str | None, rows: Mapping[str, int], quick: bool) -> DataState:
    if version is None:
        return DataState()
    recorded = next((one for one in list_versions(workspace) if one.is_current and one.git_commit), None)
    remote = None if quick else remote_name(workspace)
    return DataState(
        data_version=version,
        git_commit=recorded.git_commit if recorded else None,
        recorded_at=recorded.recorded_at if recorded else None,
        remote=remote,
        is_pushed=is_pushed(workspace, remote) if remote and recorded else None,
        rows=rows,
    )


def _count_rows(workspace: Workspace) -> tuple[dict[str, int], list[str]]:
    """Rows by table from the files' footers, superseded ones included; and tables that cannot be read."""
    from eccl.data.database import COHORT_TABLES

    rows: dict[str, int] = {}
    unreadable: list[str] = []
    for table in COHORT_TABLES:
        try:
            rows[table] = sum(pq.read_metadata(file).num_rows for file in table_files(workspace.data, table))
        except (OSError, ChecksumError, pa.ArrowInvalid):
            unreadable.append(table)
    return rows, unreadable


def _missing(workspace: Workspace) -> dict[str, int]:
    if not table_files(workspace.data, "exclusions"):
        return {}
    try:
        reasons = read_table(workspace.data, "exclusions", ["reason"]).column(0)
    except (OSError, ChecksumError, pa.ArrowInvalid):
        return {}
    return {
        one["values"]: one["counts"]
        for one in sorted(reasons.value_counts().to_pylist(), key=lambda one: one["values"])
    }


def _quarantine(workspace: Workspace) -> Iterator[QuarantineCount]:
    try:
        counted = count_quarantine(read_quarantine(workspace))
    except (OSError, ChecksumError, pa.ArrowInvalid):
        return
    for one in counted.iter_rows(named=True):
        yield QuarantineCount(one["kind"], one["reason"], one["files"], one["remedy"])


def _interruptions(workspace: Workspace) -> Iterator[Interruption]:
    if journal_path(workspace).is_file():
        yield Interruption("a withdrawal was interrupted", "eccl withdraw --resume")
    unfinished = {path.stem.rpartition("-")[0] for path in workspace.checkpoints.glob("*.pt") if path.name[0] != "."}
    for run in sorted(unfinished):
        yield Interruption(f"the training of {run} was interrupted", training_command(run))
    if left := count_leftovers(workspace):
        yield Interruption(
            f"{left} temporary files of interrupted writes; harmless", "the next ingest or publish removes them"
        )


def advise(status: Status) -> tuple[str, str]:
    """Return the next command, the first step that is missing for an up-to-date store, and the reason for it."""
    return next(_steps(status))


def _steps(status: Status) -> Iterator[tuple[str, str]]:
    yield from _interrupted(status)
    if status.data.data_version is None:
        yield "eccl ingest RAW", "there is no data yet; `dvc pull` fetches a recorded version"
    if status.unreadable:
        yield "dvc checkout --force data.dvc", f"tables cannot be read: {', '.join(status.unreadable)}"
    if status.gate.status in {"absent", "other data", "unreadable"}:
        yield "eccl validate", f"the gate's result is {status.gate.status}"
    if status.gate.status == FAILED:
        yield "eccl validate", "the gate failed; read reports/gate/summary.html, correct the data, ingest again"
    if status.data.git_commit is None:
        yield "eccl ingest RAW --record", "this version of data/ is not recorded"
    if status.data.remote and status.data.is_pushed is False:
        yield f"dvc push --remote {status.data.remote} data.dvc", "the recorded version is not on the remote"
    yield from _training(status)
    if not status.is_published:
        yield "eccl publish", "the latest release does not contain this data"
    if status.stages and set(status.stages) == {"publish"}:
        yield "eccl publish", "features or models changed since the latest release"
    if status.experiments.stale:
        yield "eccl table1", f"{status.experiments.stale} runs of experiments were trained on other data"
    if status.quarantine:
        yield "eccl quarantine list", "everything is up to date; some files are quarantined"
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
        yield training_command(orphans[0]), "there are features whose run has no record"
    stale = [run.run for run in status.runs if not run.is_current and run.without]
    lacking = [run.run for run in status.runs if run.is_current and not run.is_complete]
    if stale or lacking:
        why = f"features of {len(stale)} runs are stale" if stale else f"{len(lacking)} runs lack visits"
        yield f"eccl materialize {(stale or lacking)[0]}", why
    retrain = [stage for stage in status.stages or {} if stage.startswith(("pretrain", "align", "evaluate"))]
    if retrain:
        yield "eccl train", f"inputs of {len(retrain)} stages changed"
