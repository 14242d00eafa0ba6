"""Report a flow that failed: in its log, on its page, and to your own channels. No report contains a participant id.

``ECCL_ALERT_URL`` (or the Prefect variable ``eccl_alert_url``) gets a POST of JSON; ``ECCL_ALERT_COMMAND`` (or
``eccl_alert_command``) is run by the shell with the same JSON on its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger
from prefect.utilities.urls import url_for
from prefect.variables import Variable

from eccl.errors import EcclError
from flows.support.redaction import without_ids

_ALERT_S = 30.0


def report_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Report a failed, crashed or cancelled run. A step of another flow is reported by that flow alone."""
    if flow_run.parent_task_run_id is not None:
        return
    report = describe(flow, flow_run, state)
    logger = flow_run_logger(flow_run, flow)
    logger.error("%s: %s", report["title"], report["message"])
    text = json.dumps(report)
    channels: dict[str, Callable[[], object]] = {"artifact": partial(_artifact, flow_run, report)}
    if url := _setting("eccl_alert_url"):
        channels["ECCL_ALERT_URL"] = partial(_post, url, text)
    if command := _setting("eccl_alert_command"):
        channels["ECCL_ALERT_COMMAND"] = partial(_run, command, text)
    for name, send in channels.items():
        try:
            send()
        except Exception as error:  # the other channels still get the report; this failure is in the log
            logger.error("reporting by %s failed (%s)", name, type(error).__name__)


def describe(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> dict[str, str]:
    """Describe a failure without ids: the message of our own errors, the class alone of others."""
    error = state.data if isinstance(state.data, BaseException) else getattr(state.data, "result", None)
    if isinstance(error, EcclError):
        message = str(error)
    elif isinstance(error, BaseException):
        message = f"{type(error).__name__}; see the run's log"
    else:
        message = state.message or "no message"
    return {
        "title": f"Flow {flow.name} {str(state.name).lower()}",
        "flow": flow.name,
        "run": flow_run.name,
        "run_id": str(flow_run.id),
        "state": str(state.name),
        "error": type(error).__name__ if isinstance(error, BaseException) else "-",
        "message": without_ids(message),
        "url": url_for(flow_run) or "-",
    }


HOOKS: dict[str, Any] = {name: [report_failure] for name in ("on_failure", "on_crashed", "on_cancellation")}
"""Arguments of every flow that reports its failure."""


def _setting(name: str) -> str | None:
    if value := os.environ.get(name.upper()):
        return value
    try:
        found = Variable.get(name)
    except Exception:  # the server may be what failed
        return None
    return str(found) if found else None


def _artifact(flow_run: FlowRun, report: dict[str, str]) -> None:
    lines = [f"## {report['title']}", f"**{report['error']}**", "```", report["message"], "```"]
    artifact = ArtifactCreate(
        key="failure", type="markdown", description=report["title"], data="\n".join(lines), flow_run_id=flow_run.id
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(artifact)


def _post(url: str, text: str) -> None:
    request = urllib.request.Request(url, text.encode(), {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=_ALERT_S):
        pass


def _run(command: str, text: str) -> None:
    subprocess.run(command, shell=True, input=text, text=True, check=True, timeout=_ALERT_S, capture_output=True)
