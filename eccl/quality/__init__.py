"""The gate between data and training: schemas/expectations, run by Great Expectations, reported as rows."""

from __future__ import annotations

from eccl.quality.gate import run_gate
from eccl.quality.results import GateReport, ValidationRow

__all__ = ["GateReport", "ValidationRow", "run_gate"]
