"""Checks of the gate outside the suites: tables against their schemas, array slots against their checksums."""

from __future__ import annotations

import json
import random

import pyarrow as pa

from eccl.data.arrays import verify_rows
from eccl.data.parts import read_table, table_files
from eccl.errors import ChecksumError, SchemaError
from eccl.modalities import MODALITIES
from eccl.quality.results import CRITICAL, ValidationRow
from eccl.workspace import Workspace

CHECKED = tuple((one.table, array, column) for one in MODALITIES for array, column in one.arrays.items())
"""Table, array and the table's column of checksums, for every array."""


def check_schemas(workspace: Workspace) -> list[ValidationRow]:
    """Check that every table fits its DDL: columns, types, keys, NOT NULL. One row per table."""
    from eccl.data.database import COHORT_TABLES

    return [_check_schema(workspace, table) for table in COHORT_TABLES]


def _check_schema(workspace: Workspace, table: str) -> ValidationRow:
    from eccl.data.database import connect_data

    problem = None
    try:
        connect_data(workspace, [table]).close()
    except SchemaError as error:
        problem = str(error)
    except (OSError, ChecksumError, pa.ArrowInvalid):
        problem = "the table's parts differ in columns or types, or one is not Parquet; ingest them again"
    return ValidationRow(
        suite="schemas",
        table_name=table,
        expectation="expect_table_to_fit_schema",
        column_name=None,
        severity=CRITICAL,
        success=problem is None,
        element_count=None,
        unexpected_count=None,
        observed=problem,
        expected="{}",
        note=f"The table fits schemas/tables/{table}.sql: columns, types, key, NOT NULL.",
    )


def check_slots(workspace: Workspace, sample: int) -> list[ValidationRow]:
    """Read slots of every array and compare them with their checksums.

    Parameters
    ----------
    sample
        Slots per array, drawn with a fixed seed; 0 checks all.

    Returns
    -------
    list of ValidationRow
        One critical row per array that has a table.
    """
    return [
        _check_slots(workspace, table, array, column, sample)
        for table, array, column in CHECKED
        if table_files(workspace.data, table)
    ]


def _check_slots(workspace: Workspace, table: str, array: str, column: str, sample: int) -> ValidationRow:
    committed = read_table(workspace.data, table, ["row", column])
    pairs = sorted(zip(committed.column("row").to_pylist(), committed.column(column).to_pylist(), strict=True))
    if 0 < sample < len(pairs):
        pairs = sorted(random.Random(0).sample(pairs, sample))
    observed = None
    try:
        wrong = len(verify_rows(workspace.data, array, [row for row, _ in pairs], [checksum for _, checksum in pairs]))
    except ChecksumError as error:
        wrong, observed = len(pairs), str(error)
    return ValidationRow(
        suite="arrays",
        table_name=table,
        expectation="expect_slots_to_match_checksums",
        column_name=column,
        severity=CRITICAL,
        success=wrong == 0,
        element_count=len(pairs),
        unexpected_count=wrong,
        observed=observed,
        expected=json.dumps({"array": array, "slots": len(committed)}, sort_keys=True),
        note="A committed row's slot reads back to its recorded checksum.",
    )
