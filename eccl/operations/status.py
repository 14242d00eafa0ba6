"""How a workspace stands: what is recorded, stale, missing, invalid, refused or half done, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.gate_result import OVERRIDDEN, PASSED, read_gate_result
from eccl.data.parts import data_version, read_table, table_files
from eccl.data.run_names import training_command
from eccl.errors import ChecksumError, EcclError
from eccl.ingest.quarantine import count_refusals, read_refusals
from eccl.ledger.releases import LATEST, read_ledger
from eccl.ledger.tombstones import journal_path
from eccl.operations.advice import advise
from eccl.operations.locks import read_lock
from eccl.operations.runs import ExperimentState, read_experiments, read_runs
from eccl.operations.stages import changed_stages, is_pushed, remote_name
from eccl.operations.state import DataState, GateState, Interruption, Refusal, Status
from eccl.quality.product.tables import count_leftovers
from eccl.workspace import Workspace


def read_status(workspace: Workspace, *, quick: bool = False) -> Status:
    """Read how a workspace stands; nothing is written.

    Parameters
    ----------
    quick
        Do not ask DVC about stages and the remote, which takes seconds.
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
        stages=None if quick else changed_stages(workspace),
        quarantine=tuple(_refusals(workspace)),
        interrupted=tuple(_interruptions(workspace)),
        lock=read_lock(workspace),
        release=latest,
        is_published=bool(release and release.data_version == version and workspace.database.is_file()),
        unreadable=tuple(unreadable),
    )
    return advise(status)


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


def _version(workspace: Workspace) -> str | None:
    try:
        return data_version(workspace.data)
    except EcclError:
        return None


def _read_data(workspace: Workspace, version: str | None, rows: Mapping[str, int], quick: bool) -> DataState:
    from eccl.versioning.versions import list_versions

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


def _refusals(workspace: Workspace) -> Iterator[Refusal]:
    try:
        counted = count_refusals(read_refusals(workspace))
    except (OSError, ChecksumError, pa.ArrowInvalid):
        return
    for one in counted.iter_rows(named=True):
        yield Refusal(one["kind"], one["reason"], one["files"], one["remedy"])


def _interruptions(workspace: Workspace) -> Iterator[Interruption]:
    if journal_path(workspace).is_file():
        yield Interruption("a withdrawal was interrupted", "eccl withdraw --resume")
    unfinished = {path.stem.rpartition("-")[0] for path in workspace.checkpoints.glob("*.pt") if path.name[0] != "."}
    for run in sorted(unfinished):
        yield Interruption(f"the training of {run} was interrupted", training_command(run))
    if left := count_leftovers(workspace):
        yield Interruption(
            f"{left} leftovers of interrupted writes; harmless", "the next ingest or publish removes them"
        )
