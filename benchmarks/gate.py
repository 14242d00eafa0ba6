"""The gate on half a million rows of every large table, against reading the same tables into pandas."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.big_cohort import ROWS, time_suites, write_big_cohort
from benchmarks.measure import Row
from eccl.data.parts import read_table, table_files
from eccl.workspace import Workspace

SHOWN_FROM = 1_000  # rows; smaller tables take less than a clock resolves


def measure(rows: int = ROWS) -> list[Row]:
    """Measure frame and expectations of every suite; Great Expectations is imported before."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = write_big_cohort(Path(folder), rows)
        time_suites(workspace)
        found = time_suites(workspace)
        measured = [
            Row(
                f"gate: {one.suite}",
                "frame + Great Expectations",
                "table into pandas",
                one.frame_s + one.library_s,
                _read_seconds(workspace, one.suite),
                "s",
                f"{one.rows:,} rows, {one.expectations} expectations",
            )
            for one in found
            if one.rows >= SHOWN_FROM and table_files(workspace.data, one.suite)
        ]
    subject, reference = sum(row.subject_value for row in measured), sum(row.reference_value for row in measured)
    config = f"{sum(one.rows for one in found):,} rows in all"
    return [
        *measured,
        Row("gate: all large tables", measured[0].subject, measured[0].reference, subject, reference, "s", config),
    ]


def _read_seconds(workspace: Workspace, table: str) -> float:
    start = time.perf_counter()
    read_table(workspace.data, table).to_pandas()
    return time.perf_counter() - start
