"""``python -m benchmarks [SUITE...]``: measure and write benchmarks/results/<suite>.csv.

``store``, ``training`` and ``simulator`` are ratios against named references, in minutes. ``throughput`` (whole stages
at a preset's size, for a GPU) and ``learning`` (trains every stage on a simulated cohort) run for themselves, see
``python -m benchmarks.throughput --help`` and ``python -m benchmarks.learning --help``.
"""

from __future__ import annotations

import importlib
import sys

from benchmarks.measure import write_rows

SUITES = ("store", "ingest", "gate", "training", "simulator", "feature_store", "withdrawal")


def main(wanted: list[str]) -> int:
    """Run suites and print their ratios."""
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        print(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    for suite in wanted or SUITES:
        rows = importlib.import_module(f"benchmarks.{suite}").measure()
        for row in rows:
            print(
                f"{row.name:<32} {row.subject_value:.4g} against {row.reference_value:.4g} {row.unit}: "
                f"{row.ratio:.2f}x ({row.reference})",
                flush=True,
            )
        print(write_rows(rows, suite))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
