"""data/ -> gate: Great Expectations and the checksums decide whether anything may follow."""

from __future__ import annotations

import json
from pathlib import Path

from prefect import flow

from eccl.errors import GateError
from eccl.workspace import find_workspace
from flows.console import say
from flows.dvc import run_stage


@flow(name="validate")
def validate(workspace: Path) -> dict[str, int | str]:
    """Run the gate as a DVC stage; a red gate stops what follows."""
    place = find_workspace(workspace)
    run_stage(place.root, "validate")
    found: dict[str, int | str] = json.loads((place.gate / "gate.json").read_text())
    say(
        f"Gate {found['status']}: {found['expectations']} expectations, {found['critical_failures']} critical failures, "
        f"{found['warnings']} warnings (reports/gate/summary.html)"
    )
    if found["status"] != "green" and not found["override"]:
        raise GateError("the gate is red, nothing was recorded and nothing follows; see reports/gate/summary.html")
    return found
