"""Raw files -> data/: plan, map over shard-sized batches, reconcile, gate, record."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from eccl.ingest.batch import BatchResult
from eccl.ingest.report import IngestReport
from eccl.ingest.run import session
from eccl.versioning import versions
from eccl.workspace import find_workspace
from flows.publish import publish
from flows.support.artifacts import show_ingest
from flows.support.console import counts_table, progress, say
from flows.support.hooks import HOOKS
from flows.support.mapping import mapped
from flows.support.parameters import (
    Address,
    RawPlace,
    Repair,
    Retry,
    RunnerName,
    Workers,
    WorkspacePath,
    described,
    read_parameters,
)
from flows.support.policy import IO_RETRIES, checkout_tag, one_dvc_command, retry_io, step, timeout_s
from flows.support.redaction import discreet
from flows.validate import validate


@flow(name="ingest-files", timeout_seconds=timeout_s("ingest"), **HOOKS)
@discreet
@described
def ingest_files(
    workspace: WorkspacePath,
    raw: RawPlace,
    workers: Workers = 2,
    runner: RunnerName = "processes",
    address: Address = None,
    retry: Retry = False,
    repair: Repair = False,
) -> IngestReport:
    """Bring data/ up to date with raw files, in processes of this machine or on a cluster."""
    read_parameters("ingest-files", locals())
    place = find_workspace(workspace)
    results: list[BatchResult] = []
    with session(place, _absolute(raw), retry=retry, repair=repair) as ingest:
        found = sum(len(files) for files in ingest.found.files.values())
        say(f"Found {found} ECG and cine files; {len(ingest.batches)} batches to do, by {runner}")
        fitting = workers if address else ingest.fitting(workers)  # a cluster elsewhere knows its own memory
        where = mapped(ingest.work, ingest.batches, state=place.state, runner=runner, workers=fitting, address=address)
        with progress("Ingest", sum(len(batch.items) for batch in ingest.batches)) as bar, where as done:
            for result in done:
                results.append(result)
                bar.update(bar.task_ids[0], completed=sum(one.expected for one in results))
        report = ingest.finish(results)
    show(report)
    show_ingest(report)
    return report


@flow(name="ingest", timeout_seconds=timeout_s("ingest"), **HOOKS)
@discreet
@described
def ingest(
    workspace: WorkspacePath,
    raw: RawPlace,
    workers: Workers = 2,
    runner: RunnerName = "processes",
    address: Address = None,
    retry: Retry = False,
    repair: Repair = False,
) -> IngestReport:
    """Ingest, pass the gate, record a version behind it, and let analysts see all of that."""
    report = step(ingest_files)(workspace, raw, workers, runner, address, retry, repair)
    try:
        step(validate)(workspace)
        record(workspace)
    finally:  # analysts see what was ingested, and what the gate said of it, also where the gate failed
        step(publish)(workspace)
    return report


def record(workspace: WorkspacePath) -> str:
    """Record data/ with DVC and git; push it where the user has a remote."""
    place = find_workspace(workspace)
    tags = [checkout_tag(place.root)]
    version = record_version.with_options(tags=tags)(workspace)
    remote = versions.default_remote(place)
    if remote is not None:
        push_version.with_options(tags=tags)(workspace)
    pushed = (
        f"pushed to {remote}" if remote else "not pushed: no remote is configured (`dvc remote add --default NAME URL`)"
    )
    say(f"Recorded data version {version.data_version} in commit {str(version.git_commit)[:10]}, {pushed}")
    return version.data_version


@task(name="record-version", cache_policy=NO_CACHE, retry_condition_fn=retry_io, **IO_RETRIES)
@discreet
def record_version(workspace: WorkspacePath) -> versions.DataVersion:
    """Record data/ behind the gate: ``dvc add``, then a commit."""
    place = find_workspace(workspace)
    with one_dvc_command(place.root, "dvc add data"):
        return versions.record_version(place)


# DVC tells of a network that is away and of a wrong password in the same way, so both are tried again.
@task(name="push-version", cache_policy=NO_CACHE, **IO_RETRIES)
@discreet
def push_version(workspace: WorkspacePath) -> None:
    """Push data/ to the user's own remote."""
    place = find_workspace(workspace)
    with one_dvc_command(place.root, "dvc push"):
        versions.push_version(place)


def _absolute(raw: str) -> str:
    # A cluster's workers have current folders of their own.
    return raw if "://" in raw else str(Path(raw).resolve())


def show(report: IngestReport) -> None:
    """Print what was expected and what became of it."""
    rows: dict[str, dict[str, int | str]] = {
        kind.kind: {
            "expected": kind.expected,
            "written": kind.written,
            "repaired": kind.repaired,
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
