"""data/ -> gate: Great Expectations and the checksums decide whether anything may follow."""

from __future__ import annotations

import json

from prefect import flow

from eccl.data.gate_result import PASSED, read_gate_result
from eccl.data.parts import data_version
from eccl.errors import FlowError, GateError
from eccl.workspace import find_workspace
from flows.support.artifacts import show_gate
from flows.support.console import say
from flows.support.dvc import run_stage
from flows.support.hooks import HOOKS
from flows.support.parameters import WorkspacePath, described
from flows.support.policy import timeout_s
from flows.support.redaction import discreet


@flow(name="validate", timeout_seconds=timeout_s("validate"), **HOOKS)
@discreet
@described
def validate(workspace: WorkspacePath) -> dict[str, int | str]:
    """Run the gate as a DVC stage; a failed gate stops what follows."""
    place = find_workspace(workspace)
    try:
        run_stage(place.root, "validate")
    except FlowError:
        # The stage exits with 1 where the gate failed; only where it left no verdict on this data is it broken.
        verdict = place.gate / "gate.json"
        if not verdict.is_file() or json.loads(verdict.read_text())["data_version"] != data_version(place.data):
            raise
    found: dict[str, int | str] = read_gate_result(place.gate)
    say(
        f"Gate {found['status']}: {found['expectations']} expectations, {found['critical_failures']} critical failures, "
        f"{found['warnings']} warnings (reports/gate/summary.html)"
    )
    show_gate(place, found)
    if found["status"] != PASSED and not found["override"]:
        raise GateError("the gate failed, nothing was recorded and nothing follows; see reports/gate/summary.html")
    return found
