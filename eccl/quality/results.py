"""Results of the gate: one row per expectation, in the columns of schemas/tables/validation_results.sql."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from eccl.data.run_records import PASSED

CRITICAL = "critical"
WARNING = "warning"


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """Result of one expectation.

    Parameters
    ----------
    suite, table_name, expectation
        The suite's file stem, the checked table, the expectation's type.
    column_name
        Checked column or fact; None for table-level expectations.
    severity
        ``critical`` blocks training, ``warning`` is recorded.
    success
        Whether it was met. An expectation that could not be evaluated is not met.
    element_count, unexpected_count
        Checked rows, and how many of them did not meet it; None for aggregates.
    observed
        Observed aggregate, or why there is none. Never a participant id.
    expected
        Parameters of the expectation as JSON with sorted keys.
    note
        Sentence that explains the expectation; shown in the summary, not stored in the table.
    """

    suite: str
    table_name: str
    expectation: str
    column_name: str | None
    severity: str
    success: bool
    element_count: int | None
    unexpected_count: int | None
    observed: str | None
    expected: str
    note: str = ""

    @property
    def sort_key(self) -> tuple[str, str, str, str, str]:
        """Order of rows in every output."""
        return (self.suite, self.table_name, self.column_name or "", self.expectation, self.expected)


@dataclass(frozen=True, slots=True)
class GateReport:
    """Outcome of one run of the gate.

    Parameters
    ----------
    status
        ``passed`` or ``failed``; an override does not change it.
    data_version
        What was validated.
    rows
        Every result, sorted.
    results_sha256
        SHA-256 of results.parquet.
    override
        Reason for training although the gate failed; None without one.
    folder
        Folder of the reports.
    """

    status: str
    data_version: str
    rows: tuple[ValidationRow, ...]
    results_sha256: str
    override: str | None
    folder: Path

    @property
    def critical_failures(self) -> int:
        """Critical expectations that were not met."""
        return count_failures(self.rows, CRITICAL)

    @property
    def warnings(self) -> int:
        """Other expectations that were not met."""
        return count_failures(self.rows) - self.critical_failures

    @property
    def expectations(self) -> int:
        """Expectations evaluated."""
        return len(self.rows)

    @property
    def failures(self) -> tuple[ValidationRow, ...]:
        """Rows that were not met, critical ones first."""
        return tuple(
            sorted(
                (row for row in self.rows if not row.success), key=lambda row: (row.severity != CRITICAL, row.sort_key)
            )
        )

    @property
    def is_passed(self) -> bool:
        """True if training may start: the gate passed, or was overridden with a reason."""
        return self.status == PASSED or self.override is not None


def count_failures(rows: Iterable[ValidationRow], severity: str | None = None) -> int:
    """Count the rows that were not met, of one severity or of all."""
    return sum(not row.success and severity in {None, row.severity} for row in rows)


def to_table(rows: Sequence[ValidationRow], data_version: str) -> pa.Table:
    """Return the rows as a table with the columns of validation_results.sql."""
    from eccl.data.database import empty_table

    schema = empty_table("validation_results").schema
    values = [{name: getattr(row, name, data_version) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(values, schema=schema)
