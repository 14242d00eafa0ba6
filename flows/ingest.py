"""Raw files -> data/: plan, map over shard-sized batches, reconcile, gate, record."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from eccl.ingest.batch import BatchResult
from eccl.ingest.plan import Batch
from eccl.ingest.report import IngestReport
from eccl.ingest.run import session, worker_pool
from eccl.store import versions
from eccl.workspace import find_workspace
from flows.console import counts_table, progress, say
from flows.publish import publish
from flows.validate import validate


@task(
    name="ingest-batch",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=5,
    task_run_name="{batch.kind}-{batch.shard}",
)
def ingest_batch(work: Callable[[Batch], BatchResult], pool: Executor, batch: Batch) -> BatchResult:
    """Commit one shard in a worker process. A retry is safe: the commit is a rename."""
    return pool.submit(work, batch).result()


# Threads that wait for worker processes; more of them than processes, so that no process waits for work.
WAITING: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=16)


@flow(name="ingest-files", task_runner=WAITING)  # type: ignore[arg-type]  # Prefect types its own runner too narrowly
def ingest_files(workspace: Path, raw: Path, workers: int = 2) -> IngestReport:
    """Bring data/ up to date with a raw folder."""
    with session(find_workspace(workspace), raw) as ingest, worker_pool(workers) as pool:
        batches = ingest.batches
        say(
            f"Found {sum(len(files) for files in ingest.found.files.values())} ECG and cine files; {len(batches)} batches to do"
        )
        futures = ingest_batch.map(unmapped(ingest.work), unmapped(pool), batches)
        results: list[BatchResult] = []
        with progress("Ingest", sum(len(batch.items) for batch in batches)) as bar:
            for future in as_completed(list(futures)):
                results.append(future.result())
                bar.update(bar.task_ids[0], completed=sum(result.expected for result in results))
        report = ingest.finish(results)
    show(report)
    return report


@flow(name="ingest")
def ingest(workspace: Path, raw: Path, workers: int = 2) -> IngestReport:
    """Ingest, pass the gate, record a version behind it, and let analysts see all of that."""
    report = ingest_files(workspace, raw, workers)
    try:
        validate(workspace)
        record(workspace)
    finally:  # analysts see what was ingested, and what the gate said of it, also where the gate is red
        publish(workspace)
    return report


@task(name="record-version", cache_policy=NO_CACHE)
def record(workspace: Path) -> str:
    """Record data/ with DVC and git; push it where the user has a remote."""
    place = find_workspace(workspace)
    version = versions.record_version(place)
    remote = versions.default_remote(place)
    if remote is not None:
        versions.push_version(place)
    pushed = (
        f"pushed to {remote}" if remote else "not pushed: no remote is configured (`dvc remote add --default NAME URL`)"
    )
    say(f"Recorded data version {version.data_version} in commit {str(version.git_commit)[:10]}, {pushed}")
    return version.data_version


def show(report: IngestReport) -> None:
    """Print what was expected and what became of it."""
    rows: dict[str, dict[str, int | str]] = {
        kind.kind: {
            "expected": kind.expected,
            "written": kind.written,
            "skipped": sum(kind.skipped.values()),
            "quarantined": sum(kind.quarantined.values()),
            "why": ", ".join(f"{count} {reason}" for reason, count in {**kind.skipped, **kind.quarantined}.items())
            or "-",
        }
        for kind in report.kinds
    }
    counts_table("Ingest", rows)
    tables = ", ".join(f"{count} {name}" for name, count in {**report.tabular.rows, **report.cohort}.items())
    say(f"Tables: {tables}")
    if not report.is_changed:
        say(f"Nothing changed under data/ (version {report.data_version})")
