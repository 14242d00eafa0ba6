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


def median_pair(subject: Callable[[], Any], reference: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return median times of two calls that take turns, so that a busy moment of the machine affects both."""
    subject(), reference()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for work, found in zip((subject, reference), times, strict=True):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def origin() -> tuple[str, str]:
    """Return machine and commit of this run; a dirty tree is marked."""
    git = ["git", "describe", "--always", "--abbrev=10", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{platform.machine()} {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        commit,
    )


def write_rows(rows: list[Row], name: str) -> Path:
    """Write the rows of this run to results/<name>.csv; the file is replaced whole."""
    machine, commit = origin()
    values = [
        {
            "name": row.name,
            "subject": row.subject,
            "reference": row.reference,
            "subject_value": f"{row.subject_value:.4g}",
            "reference_value": f"{row.reference_value:.4g}",
            "unit": row.unit,
            "ratio": f"{row.ratio:.2f}",
            "config": row.config,
            "machine": machine,
            "commit": commit,
        }
        for row in rows
    ]
    return write_table(values, name)


def write_table(rows: list[dict[str, Any]], name: str) -> Path:
    """Write dictionaries with equal keys to results/<name>.csv."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
