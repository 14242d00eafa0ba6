"""The validation gate: the suites of schemas/expectations, run by Great Expectations, and the check of the product."""

from __future__ import annotations

from eccl.quality.gate import run_gate
from eccl.quality.results import GateReport, ValidationRow

__all__ = ["GateReport", "ValidationRow", "run_gate"]
