"""Raw files -> data/: plan, map over shard-sized batches, reconcile, validate, record."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from eccl.commands.progress import bar
from eccl.ingest.batch import BatchResult
from eccl.ingest.report import IngestReport
from eccl.ingest.run import session
from eccl.versioning import versions
from eccl.workspace import find_workspace
from flows.publish import publish
from flows.support.artifacts import announce, show_ingest
from flows.support.define import define, step
from flows.support.dvc import one_dvc_command
from flows.support.mapping import mapped
from flows.support.parameters import IngestParameters
from flows.support.policy import IO_RETRIES, retry_io, workspace_tag
from flows.support.redaction import redact_errors
from flows.validate import validate


@define("ingest-files", IngestParameters, hours=24)
def ingest_files(parameters: IngestParameters) -> IngestReport:
    """Bring data/ up to date with raw files, in processes of this machine or on a cluster."""
    place = find_workspace(parameters.workspace)
    results: list[BatchResult] = []
    # A cluster's workers have current folders of their own.
    raw = parameters.raw if "://" in parameters.raw else str(Path(parameters.raw).resolve())
    with session(place, raw, retry=parameters.retry, repair=parameters.repair) as ingest:
        found = sum(len(files) for files in ingest.found.files.values())
        announce(f"Found {found} ECG and cine files; {len(ingest.batches)} batches to do, by {parameters.runner}")
        expected = sum(len(batch.items) for batch in ingest.batches)
        with bar("Ingest") as show, mapped(ingest, parameters) as done:
            for result in done:
                results.append(result)
                show(sum(one.expected for one in results), expected)
        report = ingest.finish(results)
    announce(report.describe())
    show_ingest(report)
    return report


@define("ingest", IngestParameters, hours=24)
def ingest(parameters: IngestParameters) -> IngestReport:
    """Ingest, validate, record a version if the gate passed, and publish."""
    report: IngestReport = step(ingest_files)(**dict(parameters))
    try:
        step(validate)(parameters.workspace)
        record(parameters.workspace)
    finally:  # analysts see what was ingested and the gate's result, also where the gate failed
        step(publish)(parameters.workspace)
    return report


def record(workspace: Path) -> str:
    """Record data/ with DVC and git; push it where the user has a remote."""
    place = find_workspace(workspace)
    tags = [workspace_tag(place.root)]
    version = record_version.with_options(tags=tags)(workspace)
    remote = versions.default_remote(place)
    if remote is not None:
        push_version.with_options(tags=tags)(workspace)
    pushed = (
        f"pushed to {remote}" if remote else "not pushed: no remote is configured (`dvc remote add --default NAME URL`)"
    )
    announce(f"Recorded data version {version.data_version} in commit {str(version.git_commit)[:10]}, {pushed}")
    return version.data_version


@task(name="record-version", cache_policy=NO_CACHE, retry_condition_fn=retry_io, **IO_RETRIES)
@redact_errors
def record_version(workspace: Path) -> versions.DataVersion:
    """Record data/, whose gate passed: ``dvc add``, then a commit."""
    place = find_workspace(workspace)
    with one_dvc_command(place.root, "dvc add data"):
        return versions.record_version(place)


# DVC reports a remote that does not answer and a wrong password in the same way, so both are tried again.
@task(name="push-version", cache_policy=NO_CACHE, **IO_RETRIES)
@redact_errors
def push_version(workspace: Path) -> None:
    """Push data/ to the user's own remote."""
    place = find_workspace(workspace)
    with one_dvc_command(place.root, "dvc push"):
        versions.push_version(place)
