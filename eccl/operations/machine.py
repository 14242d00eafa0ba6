"""The machine's disk, open files, memory and clock, compared with what a workspace needs."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from eccl.config import Params
from eccl.data.memory import available_memory
from eccl.ingest.record import record_readers
from eccl.ingest.workers import worker_bytes
from eccl.ledger.releases import read_ledger
from eccl.operations.doctor import OK, PROBLEM, WARNING, Check
from eccl.workspace import Workspace

GB = 1024**3
FEW_FILES, MANY_FILES = 256, 1024


def check_machine(workspace: Workspace, params: Params, workers: int) -> Iterator[Check]:
    """Check disk, open files, memory for an ingest with so many workers, and clock."""
    yield check_disk(shutil.disk_usage(workspace.root).free, size_of(workspace.data))
    yield check_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield check_memory(available_memory(), params, workers)
    yield check_clock(workspace, datetime.now(UTC))


def check_disk(free: int, taken: int) -> Check:
    """Check free bytes against those of data/: a new version is written beside the old one, and DVC keeps a copy."""
    found = f"{free / GB:.1f} GB free, data/ takes {taken / GB:.2f} GB"
    if free < GB // 2 or free < taken // 10:
        remedy = "make room before the next ingest: `dvc gc --workspace` drops old versions from the cache"
        return Check("disk", PROBLEM, found, remedy)
    if free < taken or free < 5 * GB:
        remedy = "recording a version copies data/ into DVC's cache; make room, or `dvc config cache.type hardlink`"
        return Check("disk", WARNING, found, remedy)
    return Check("disk", OK, found)


def check_open_files(limit: int) -> Check:
    """Check how many files a process may have open: a store of many shards opens hundreds at once."""
    if limit == resource.RLIM_INFINITY:
        return Check("open files", OK, "no limit")
    found = f"{limit} per process"
    if limit < MANY_FILES:
        remedy = f"`ulimit -n {4 * MANY_FILES}` before the command, or in the scheduler's unit"
        return Check("open files", PROBLEM if limit < FEW_FILES else WARNING, found, remedy)
    return Check("open files", OK, found)


def check_memory(available: int, params: Params, workers: int) -> Check:
    """Check memory against workers times what each holds: a shard as it is written, and a reader at its limit."""
    one = max(worker_bytes(reader) for reader in record_readers(params))
    usual, worst = workers * one, workers * (one + params.limits.memory_mb * 1024**2)
    found = (
        f"{available / GB:.1f} GB available; {workers} workers take {usual / GB:.1f} GB, {worst / GB:.1f} GB at the limit of "
        "their readers"
    )
    if usual > available:
        fitting = available // one
        remedy = f"as many workers run as fit ({fitting})" if fitting else "make shards smaller in params.yaml"
        return Check("memory", PROBLEM, found, f"{remedy}; free memory for more")
    if worst > available:
        return Check("memory", WARNING, found, "give `--workers` fewer, or lower limits.memory_mb in params.yaml")
    return Check("memory", OK, found)


def check_clock(workspace: Workspace, now: datetime) -> Check:
    """Check that the clock is not behind the latest release: names of releases and certificates are dates."""
    stamps = [release.published_at for release in read_ledger(workspace).releases]
    latest = max((datetime.fromisoformat(stamp) for stamp in stamps), default=None)
    found = f"{now:%Y-%m-%d %H:%M} UTC"
    if now.year < 2025 or (latest and (latest - now).total_seconds() > 300):
        found = f"{found}, behind the latest release" if latest else found
        return Check("clock", PROBLEM, found, "set the clock; releases are named by date")
    return Check("clock", OK, found)


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
