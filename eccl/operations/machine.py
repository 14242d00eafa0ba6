"""The machine against what a workspace asks of it: disk, open files, memory, clock."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from eccl.config import Params
from eccl.operations.checks import Check, ok, problem, warning
from eccl.store.releases import read_ledger
from eccl.workspace import Workspace

GB = 1024**3
FEW_FILES, MANY_FILES = 256, 1024
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def check_machine(workspace: Workspace, params: Params, workers: int) -> Iterator[Check]:
    """Check disk, open files, memory and clock.

    Parameters
    ----------
    workers
        Worker processes an ingest would have.
    """
    yield check_disk(shutil.disk_usage(workspace.root).free, size_of(workspace.data))
    yield check_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield check_memory(available_memory(), params, workers)
    yield check_clock(workspace, datetime.now(UTC))


def check_disk(free: int, taken: int) -> Check:
    """Check free bytes against what data/ takes: a new version is written beside the old one, and DVC keeps a copy."""
    found = f"{free / GB:.1f} GB free, data/ takes {taken / GB:.2f} GB"
    if free < GB // 2 or free < taken // 10:
        return problem(
            "disk", found, "make room before the next ingest: `dvc gc --workspace` drops old versions from the cache"
        )
    if free < taken or free < 5 * GB:
        return warning(
            "disk",
            found,
            "recording a version copies data/ into DVC's cache; make room, or `dvc config cache.type hardlink`",
        )
    return ok("disk", found)


def check_open_files(limit: int) -> Check:
    """Check how many files a process may have open: a store of many shards opens hundreds at once."""
    if limit == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    if limit < MANY_FILES:
        made = problem if limit < FEW_FILES else warning
        return made(
            "open files",
            f"{limit} per process",
            f"`ulimit -n {4 * MANY_FILES}` before the command, or in the scheduler's unit",
        )
    return ok("open files", f"{limit} per process")


def check_memory(available: int, params: Params, workers: int) -> Check:
    """Check memory against workers times what each holds: a shard as it is written, and a reader at its limit."""
    shard = shard_bytes(params)
    usual, worst = workers * 2 * shard, workers * (2 * shard + params.limits.memory_mb * 1024**2)
    found = (
        f"{available / GB:.1f} GB available; {workers} workers hold {usual / GB:.1f} GB of shards, {worst / GB:.1f} GB at the "
        "limit of their readers"
    )
    if usual > available:
        return problem(
            "memory", found, "give `--workers` fewer, or smaller shards in params.yaml (before the first ingest)"
        )
    if worst > available:
        return warning("memory", found, "give `--workers` fewer, or lower limits.memory_mb in params.yaml")
    return ok("memory", found)


def shard_bytes(params: Params) -> int:
    """Bytes of the larger shard in memory: ECGs raw and clean, or cines."""
    ecg = params.ingest.ecg_shard_rows * 12 * 5000 * 2 * 2
    cine = params.ingest.cine_shard_rows * params.cine.frames * params.cine.window_px**2
    return max(ecg, cine)


def check_clock(workspace: Workspace, now: datetime) -> Check:
    """Check that the clock is not behind what was published: names of releases and certificates are dates."""
    stamps = [release.published_at for release in read_ledger(workspace).releases]
    latest = max((datetime.fromisoformat(stamp) for stamp in stamps), default=None)
    found = f"{now:%Y-%m-%d %H:%M} UTC"
    if now.year < 2025 or (latest and (latest - now).total_seconds() > 300):
        return problem(
            "clock",
            f"{found}, behind the latest release" if latest else found,
            "set the clock; releases are named by date",
        )
    return ok("clock", found)


def available_memory() -> int:
    """Bytes that processes can still have: of the machine, or of the container where that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else "max"
    return min(total, int(limit)) if limit.isdigit() else total


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
