"""What the validation gate said, for those who must obey it. The gate itself is in eccl.quality."""

from __future__ import annotations

import json
from dataclasses import dataclass

from eccl.data.parts import data_version
from eccl.errors import GateError
from eccl.ledger.tombstones import require_no_pending_withdrawal
from eccl.ledger.withdrawn_check import require_nobody_returned
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class GateStatus:
    """Result of the gate: ``green``, or ``overridden`` with the reason somebody gave."""

    status: str
    sha256: str
    override: str | None
    data_version: str


def require_green(workspace: Workspace) -> GateStatus:
    """Return the gate's result for the data in the workspace, or refuse.

    Raises
    ------
    GateError
        The gate was never run, belongs to other data, or is red without an override.
    WithdrawalError
        A withdrawal was interrupted, or somebody who withdrew is in the data again.
    """
    require_no_pending_withdrawal(workspace)
    require_nobody_returned(workspace)
    path = workspace.gate / "gate.json"
    if not path.is_file():
        raise GateError("the gate has not been run on this data; run `eccl validate` first")
    found = json.loads(path.read_text())
    current = data_version(workspace.data)
    if found["data_version"] != current:
        raise GateError(
            f"the gate's result is for data version {found['data_version']}, the workspace holds {current}; run `eccl validate`"
        )
    if found["status"] != "green" and not found["override"]:
        raise GateError(
            f"the gate is red: {found['critical_failures']} critical expectations failed (reports/gate/summary.html); mend the "
            "data, or set quality.override in params.yaml to a reason that will be recorded in every run"
        )
    status = "green" if found["status"] == "green" else "overridden"
    return GateStatus(status, found["results_sha256"], found["override"] if status == "overridden" else None, current)
