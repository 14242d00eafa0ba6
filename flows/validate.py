"""data/ -> gate: Great Expectations and the checksums decide whether a version may be recorded."""

from __future__ import annotations

from eccl.data.parts import data_version
from eccl.data.run_records import PASSED, read_gate_result
from eccl.errors import FlowError, GateError
from eccl.workspace import find_workspace
from flows.support.artifacts import announce, show_gate
from flows.support.define import define
from flows.support.dvc import run_stage
from flows.support.parameters import Parameters


@define("validate", Parameters, hours=6)
def validate(parameters: Parameters) -> dict[str, int | str]:
    """Run the gate as a DVC stage; a failed gate stops what follows."""
    place = find_workspace(parameters.workspace)
    try:
        run_stage(place.root, "validate")
    except FlowError:
        # The stage exits with 1 where the gate failed; without a result for this data the stage itself is broken.
        is_there = (place.gate / "gate.json").is_file()
        if not is_there or read_gate_result(place.gate)["data_version"] != data_version(place.data):
            raise
    found: dict[str, int | str] = read_gate_result(place.gate)
    announce(
        f"Gate {found['status']}: {found['expectations']} expectations, {found['critical_failures']} critical failures, "
        f"{found['warnings']} warnings (reports/gate/summary.html)"
    )
    show_gate(place, found)
    if found["status"] != PASSED and not found["override"]:
        raise GateError("the gate failed, nothing was recorded and nothing follows; see reports/gate/summary.html")
    return found
