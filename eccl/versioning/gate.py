"""The requirement that the validation gate passed, for the stages that depend on it. eccl.quality runs the gate."""

from __future__ import annotations

from dataclasses import dataclass

from eccl.data.parts import data_version
from eccl.data.run_records import OVERRIDDEN, PASSED, read_gate_result
from eccl.errors import GateError
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.ledger.withdrawn_check import require_none_withdrawn
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class GateStatus:
    """Result of a gate that lets training start: ``passed``, or ``overridden`` with the reason that was given."""

    status: str
    sha256: str
    override: str | None
    data_version: str


def require_passed_gate(workspace: Workspace) -> GateStatus:
    """Return the gate's result for the data in the workspace if training may start.

    Raises
    ------
    GateError
        The gate was never run, belongs to other data, or is failed without an override.
    WithdrawalError
        A withdrawal was interrupted, or data/ holds withdrawn participants.
    """
    require_no_pending_withdrawal(workspace)
    require_none_withdrawn(workspace)
    if not (workspace.gate / "gate.json").is_file():
        raise GateError("the gate has not been run on this data; run `eccl validate` first")
    found = read_gate_result(workspace.gate)
    current = data_version(workspace.data)
    if found["data_version"] != current:
        raise GateError(
            f"the gate's result is for data version {found['data_version']}, the workspace holds {current}; run `eccl validate`"
        )
    if found["status"] != PASSED and not found["override"]:
        raise GateError(
            f"the gate failed: {found['critical_failures']} critical expectations failed (reports/gate/summary.html); correct the "
            "data, or set quality.override in params.yaml to a reason that will be recorded in every run"
        )
    status = PASSED if found["status"] == PASSED else OVERRIDDEN
    return GateStatus(status, found["results_sha256"], found["override"] if status == OVERRIDDEN else None, current)
