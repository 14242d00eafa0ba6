"""Ratios against a named reference, measured in the same run, written as CSV with machine, commit and configuration."""

from __future__ import annotations

import csv
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured ratio: how many times the subject is faster (or smaller) than the reference."""

    name: str
    subject: str
    reference: str
    subject_value: float
    reference_value: float
    unit: str
    config: str

    @property
    def ratio(self) -> float:
        return self.reference_value / self.subject_value


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median wall-clock time of a call, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def write_rows(rows: list[Row]) -> Path:
    """Write the rows of this run; the file is replaced whole."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / "platform.csv"
    commit = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    machine = f"{platform.machine()} {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            [
                "name",
                "subject",
                "reference",
                "subject_value",
                "reference_value",
                "unit",
                "ratio",
                "config",
                "machine",
                "commit",
            ]
        )
        for row in rows:
            values = (f"{row.subject_value:.4g}", f"{row.reference_value:.4g}", row.unit, f"{row.ratio:.2f}")
            writer.writerow([row.name, row.subject, row.reference, *values, row.config, machine, commit])
    return path
