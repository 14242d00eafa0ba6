"""A failure is reported on the run's page, to a command and to a web hook, without an id."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from eccl.errors import GateError
from flows.support.hooks import HOOKS
from tests.flows.server import Server

pytestmark = pytest.mark.slow

ID = str(9_000_017)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web hook, and the reports that it got."""
    received: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()
        thread.join()


def artifacts_of(run_id: str) -> list[dict[str, str]]:
    """Artifacts of one flow run, as the server holds them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    return [
        {"key": str(one.key), "data": str(one.data), "description": str(one.description)} for one in found if one.key
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GateError("the gate failed; see reports/gate/summary.html"), "the gate failed"),
        (FileNotFoundError(2, "No such file", f"/raw/{ID}_20205_2_0.xml"), "FileNotFoundError; see the run's log"),
    ],
)
def test_a_failed_flow_is_reported_on_every_channel_without_ids(
    error: Exception,
    words: str,
    prefect_server: Server,
    listener: tuple[str, list[dict[str, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect import flow

    url, received = listener
    program = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    noted = tmp_path / "noted.json"
    monkeypatch.setenv("ECCL_ALERT_URL", url)
    monkeypatch.setenv("ECCL_ALERT_COMMAND", shlex.join([sys.executable, "-c", program, str(noted)]))

    @flow(name="inner", **HOOKS)
    def inner() -> None:
        raise error

    @flow(name="outer", **HOOKS)
    def outer() -> None:
        inner()

    with pytest.raises(type(error)):
        outer()
    (report,) = received  # of the outer flow only
    assert report["flow"] == "outer"
    assert report["state"] == "Failed"
    assert report["error"] == type(error).__name__
    assert words in report["message"]
    assert json.loads(noted.read_text()) == report
    (artifact,) = artifacts_of(report["run_id"])
    assert artifact["key"] == "failure"
    assert words in artifact["data"]
    assert ID not in json.dumps([report, artifact])


def test_a_variable_of_the_server_names_the_hook_too(
    prefect_server: Server, listener: tuple[str, list[dict[str, str]]]
) -> None:
    from prefect import flow
    from prefect.variables import Variable

    url, received = listener
    Variable.set("eccl_alert_url", url, overwrite=True)

    @flow(name="alone", **HOOKS)
    def alone() -> None:
        raise GateError("failed")

    try:
        with pytest.raises(GateError):
            alone()
    finally:
        Variable.unset("eccl_alert_url")
    assert [one["flow"] for one in received] == ["alone"]


def test_a_channel_that_fails_does_not_stop_the_others(
    prefect_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow

    monkeypatch.setenv("ECCL_ALERT_URL", "http://127.0.0.1:9/")  # the discard port: no server there
    monkeypatch.setenv("ECCL_ALERT_COMMAND", f"cat > {shlex.quote(str(tmp_path / 'noted.json'))}")

    @flow(name="unreachable", **HOOKS)
    def unreachable() -> None:
        raise GateError("failed")

    with pytest.raises(GateError):
        unreachable()
    assert json.loads((tmp_path / "noted.json").read_text())["flow"] == "unreachable"
