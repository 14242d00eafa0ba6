"""A server with its work pools, the deployments of prefect.yaml, a worker, a scheduled run, and a server that is killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eccl.data.parts import data_version
from eccl.ingest.run import run_ingest
from eccl.versioning.initialise import init_workspace
from eccl.workspace import Workspace
from tests.flows.server import Server, shared_server
from tests.flows.test_hooks import artifacts_of
from tests.support.workspaces import tree_of

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "study", {"ecg_shard_rows": 4, "cine_shard_rows": 3})


@pytest.fixture
def deployed(prefect_server: Server, place: Workspace, raw_cohort: Path) -> dict[str, str]:
    """Everything set up as in docs/how-to/schedule.md; the environment of its processes."""
    environment = {
        **prefect_server.environment,
        "ECCL_WORKSPACE": str(place.root),
        "ECCL_RAW": str(raw_cohort),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "flows.deploy", "--gpus", "2"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu (1 at once)" in done.stdout
    return environment


@pytest.fixture
def worker(deployed: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """A worker of the pool `eccl`; its log."""
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "eccl", "--name", "one"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=deployed, stdout=stream, stderr=subprocess.STDOUT)
    yield log
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(300)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(what: Callable[[], Any], seconds: float, log: Path | None = None) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.5)
    pytest.fail(f"nothing came within {seconds} s\n{log.read_text()[-3000:] if log else ''}")


def test_a_scheduled_ingest_is_run_by_a_worker(place: Workspace, raw_cohort: Path, worker: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterId,
        LogFilter,
        LogFilterFlowRunId,
    )
    from prefect.client.schemas.schedules import IntervalSchedule

    with get_client(sync_client=True) as client:
        for name, limit in (("eccl", 4), ("gpu", 1)):
            assert client.read_work_pool(name).concurrency_limit == limit
        train = client.read_deployment_by_name("train/gpu")
        assert train.work_pool_name == "gpu"
        nightly = client.read_deployment_by_name("ingest/nightly")
        (schedule,) = nightly.schedules
        assert schedule.schedule.cron == "0 2 * * *"  # type: ignore[union-attr]
        fields = nightly.parameter_openapi_schema["properties"]  # type: ignore[index]
        assert fields["raw"]["description"].startswith("Raw files:")
        assert nightly.parameters["workspace"] == str(place.root)

        # The same deployment, once more today: in a few seconds, and then not before tomorrow.
        soon = IntervalSchedule(
            interval=timedelta(days=1), anchor_date=datetime.now(UTC) + timedelta(seconds=12), timezone="UTC"
        )
        client.create_deployment_schedules(nightly.id, [(soon, True)])
        mine = DeploymentFilter(id=DeploymentFilterId(any_=[nightly.id]))

        def ended() -> Any:
            runs = client.read_flow_runs(deployment_filter=mine)
            return next((run for run in runs if run.state and run.state.is_final()), None)

        run = wait_for(ended, 3000, worker)
        assert run.state.is_completed(), f"{run.state.message}\n{worker.read_text()[-3000:]}"
        assert run.auto_scheduled
        logs = client.read_logs(log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])), limit=200)

    version = data_version(place.data)
    head = subprocess.run(
        ["git", "log", "-1", "--format=%s"], cwd=place.root, capture_output=True, text=True, check=True
    )
    assert head.stdout.strip() == f"Data version {version}"
    assert place.database.exists()
    artifacts = {one["key"]: one["data"] for one in artifacts_of(str(run.id))}  # all on one page
    assert {"ingest", "ingest-counts", "ingest-quarantine", "gate", "release"} <= set(artifacts)
    assert version in artifacts["ingest"]
    assert "Gate passed" in artifacts["gate"]
    assert "gate/summary.html" in artifacts["gate"]
    assert "data_docs/index.html" in artifacts["gate"]
    assert all(row["what to do"] for row in json.loads(artifacts["ingest-quarantine"]))
    for row in json.loads(artifacts["ingest-counts"]):
        assert row["expected"] == row["written"] + row["skipped"] + row["quarantined"]
        assert row["written"] > 0
    ids = {found for path in raw_cohort.rglob("*") for found in re.findall(r"^\d{7}", path.name)}
    assert len(ids) > 10
    text = " ".join([*artifacts.values(), *(entry.message for entry in logs), worker.read_text()])
    assert not [one for one in ids if one in text]


def test_a_server_that_goes_away_leaves_nothing_half_visible(
    prefect_server: Server, raw_cohort: Path, new_workspace: Callable[[str], Workspace], ingested: Workspace
) -> None:
    place = new_workspace("workspace")
    values = {"workspace": str(place.root), "raw": str(raw_cohort), "workers": 1}
    flow = subprocess.Popen(
        [sys.executable, "-m", "flows", "ingest-files", json.dumps(values)],
        cwd=ROOT,
        env={**prefect_server.environment, "PREFECT_CLIENT_MAX_RETRIES": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(lambda: list(place.tables.glob("*/part-*.parquet")), 1200)
        prefect_server.kill()
        printed, _ = flow.communicate(timeout=2400)
    finally:
        flow.kill()
        shared_server()  # the other tests need it
    whole = tree_of(ingested.data)
    kept = tree_of(place.data)
    parts = {name: digest for name, digest in kept.items() if "/part-" in name or "quarantine/" in name}
    assert parts
    assert parts.items() <= whole.items()  # what is visible is what it will be
    assert flow.returncode == 0 or "Prefect server" in printed, printed
    assert "Traceback" not in printed
    assert not run_ingest(place, raw_cohort, workers=1).is_changed or flow.returncode
    assert tree_of(place.data) == whole
    assert not list(place.root.rglob(".tmp-*"))
