"""Retries, timeouts and limits of flows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from eccl.errors import ConfigError, FlowError, GateError, LockedError, ReconcileError, SourceError
from flows.support.policy import is_worth_retrying, timeout_s, workspace_tag
from flows.support.redaction import redact_errors, without_ids
from tests.flows.server import Server

ROOT = Path(__file__).resolve().parents[2]

SLOW = """
import sys
from pathlib import Path
from prefect import flow
from flows.support.dvc import run_stage
from flows.support.define import step

@flow(timeout_seconds=900)
def inner() -> None:
    run_stage(Path(sys.argv[1]), "slow")

@flow(timeout_seconds=8)
def outer() -> None:
    step(inner)()

try:
    outer()
except TimeoutError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OSError("disk"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (SourceError("the bucket does not answer"), True),
        (BrokenProcessPool(), True),
        (GateError("failed"), False),
        (ReconcileError("counts"), False),
        (LockedError("held"), False),
        (FlowError("stage"), False),
        (ValueError("wrong"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_only_input_and_output_is_tried_again(error: BaseException, wanted: bool) -> None:
    assert is_worth_retrying(error) is wanted


@pytest.mark.slow
@pytest.mark.parametrize(("error", "runs"), [(OSError(28, "No space left"), 4), (GateError("failed"), 1)])
def test_prefect_tries_again_with_longer_and_longer_waits(error: Exception, runs: int, prefect_server: Server) -> None:
    from prefect import flow

    from flows.support.mapping import ingest_batch

    assert callable(ingest_batch.retry_condition_fn)
    assert ingest_batch.retry_delay_seconds == [10, 20, 40]
    assert ingest_batch.retry_jitter_factor == 0.5
    calls: list[int] = []

    def fail(batch: object) -> None:
        calls.append(1)
        raise error

    @flow
    def once() -> None:
        ingest_batch.with_options(task_run_name="batch", retry_delay_seconds=0.01)(fail, None)

    with pytest.raises(type(error)):
        once()
    assert len(calls) == runs


def test_limits_of_a_workspace_have_its_name(tmp_path: Path) -> None:
    assert workspace_tag(tmp_path / "study").startswith("dvc-study-")
    assert workspace_tag(tmp_path / "a" / "study") != workspace_tag(tmp_path / "b" / "study")


@pytest.mark.slow
def test_the_server_keeps_stages_with_one_tag_apart(prefect_server: Server, tmp_path: Path) -> None:
    from prefect import flow, get_client

    from flows.deploy import make_limits
    from flows.support.policy import GPU_TAG

    with get_client(sync_client=True) as client:
        for _ in range(2):  # again, it changes nothing
            assert make_limits(client, tmp_path, gpus=1)[GPU_TAG] == 1
        tags = {one.name: one.limit for one in client.read_global_concurrency_limits(limit=50, offset=0)}
    assert tags[f"tag:{GPU_TAG}"] == 1
    assert tags[f"tag:{workspace_tag(tmp_path)}"] == 1
    at_once: list[int] = []
    running = threading.Semaphore(0)

    from prefect import task

    @task(tags=[GPU_TAG])
    def stage() -> None:
        running.release()
        at_once.append(running._value)
        time.sleep(0.5)
        running.acquire()

    @flow
    def stages() -> None:
        for future in [stage.submit(), stage.submit()]:
            future.result()

    stages()
    assert at_once == [1, 1]


@pytest.mark.slow
def test_a_flow_is_stopped_after_its_time_and_the_stage_with_it(prefect_server: Server, tmp_path: Path) -> None:
    # In a process of its own: Prefect's alarm and pytest-timeout's cannot share one.
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "sleeper").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  slow:\n    cmd: {sys.executable} {tmp_path}/sleeper\n")
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)],
        env=prefect_server.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as flow:
        until = time.monotonic() + 600
        while not _is_running(f"{tmp_path}/sleeper") and time.monotonic() < until:
            time.sleep(0.1)
        assert _is_running(f"{tmp_path}/sleeper")
        printed, _ = flow.communicate(timeout=600)
    assert "FlowRunTimeoutError" in printed
    assert not _is_running(f"{tmp_path}/sleeper")


def _is_running(program: str) -> bool:
    return subprocess.run(["pgrep", "-f", program], capture_output=True, check=False).returncode == 0


def test_hours_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timeout_s("ingest-files", 24) == 24 * 3600
    monkeypatch.setenv("ECCL_TIMEOUT_HOURS_INGEST", "0.5")
    assert timeout_s("ingest-files", 24) == 1800
    monkeypatch.setenv("ECCL_TIMEOUT_HOURS_INGEST", "soon")
    with pytest.raises(ConfigError, match="ECCL_TIMEOUT_HOURS_INGEST"):
        timeout_s("ingest", 24)


def test_every_flow_has_a_timeout_and_reports_its_failure() -> None:
    from flows.__main__ import find_flow
    from flows.support.hooks import report_failure
    from flows.support.parameters import FLOWS

    for name in FLOWS:
        flow = find_flow(name)
        assert flow.timeout_seconds
        assert flow.on_failure_hooks == flow.on_crashed_hooks == flow.on_cancellation_hooks == [report_failure]


def test_ids_are_removed_from_messages_of_libraries() -> None:
    @redact_errors
    def read(number: int) -> int:
        if number:
            raise FileNotFoundError(2, "No such file", f"/raw/{number}_20205_2_0.xml")
        raise ValueError("nothing secret in v1.26.1 of 95f020f7c8285fcc")

    with pytest.raises(FileNotFoundError) as caught:
        read(9_000_012)
    assert str(9_000_012) not in str(caught.value)
    assert "<id>_20205_2_0.xml" in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(ValueError, match=r"v1\.26\.1 of 95f020f7c8285fcc"):
        read(0)
    assert without_ids(f"eid {9_000_012}, {9_000_013}_2") == "eid <id>, <id>_2"
