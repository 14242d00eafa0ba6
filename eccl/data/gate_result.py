"""The stored result of the validation gate: reports/gate/gate.json, and the entry ``gate`` of the records of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PASSED, FAILED, OVERRIDDEN = "passed", "failed", "overridden"
"""Status of the gate; a run that was trained although it failed, for a stated reason, records ``overridden``."""
_OLDER_WORDS = {"green": PASSED, "red": FAILED}


def gate_status(stored: str) -> str:
    """Return a stored status as it is written today: version 0.1 wrote ``green`` and ``red``."""
    return _OLDER_WORDS.get(stored, stored)


def read_gate_result(gate: Path) -> dict[str, Any]:
    """Read gate.json of the folder reports/gate, with today's words for its status.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        The file is missing, or is not the result of a gate.
    """
    content: dict[str, Any] = json.loads((gate / "gate.json").read_text())
    return content | {"status": gate_status(content["status"])}
