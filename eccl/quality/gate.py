"""The gate: runs every suite of schemas/expectations on a cohort and writes the results to reports/gate.

::

    reports/gate/
      gate.json         status and counts, a dependency of training stages      deterministic
      results.parquet   one row per expectation (table validation_results)     deterministic
      summary.html      the results as a self-contained page                    deterministic
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from eccl.data.files import atomic_path, sha256_file
from eccl.data.parts import data_version, write_parquet
from eccl.data.run_records import FAILED, PASSED
from eccl.errors import ConfigError, GateError, WorkspaceError
from eccl.ledger.withdrawn_check import require_none_withdrawn
from eccl.quality.checks import check_schemas
from eccl.quality.engine import Engine
from eccl.quality.frames import load_frame, open_tables, read_limits, set_variables
from eccl.quality.results import CRITICAL, GateReport, ValidationRow, count_failures, to_table
from eccl.quality.suites import Suite, load_suites
from eccl.templates import render
from eccl.workspace import Workspace

_VERDICT = (
    "status", "data_version", "critical_failures", "warnings", "expectations", "results_sha256", "override",
)  # fmt: skip


def run_gate(
    workspace: Workspace,
    *,
    override: str | None = None,
    extra_results: Iterable[ValidationRow] = (),
) -> GateReport:
    """Validate a cohort and write the gate's reports.

    Parameters
    ----------
    workspace
        Whose data to validate.
    override
        Reason for training although the gate failed. It is recorded; the gate's status stays ``failed``.
    extra_results
        Results of checks outside the suites, for example array slots read back to their checksums.

    Raises
    ------
    GateError
        There is no data to validate, or the tables cannot be read.
    WithdrawalError
        A withdrawn participant is in the data again.
    ConfigError
        The override is blank, or a limit in params.yaml is not a number.
    """
    if override is not None and not override.strip():
        raise ConfigError("the override is blank; give a reason in words, or null for none")
    require_none_withdrawn(workspace)
    try:
        version = data_version(workspace.data)
    except WorkspaceError as error:
        raise GateError(f"nothing to validate: {error}") from error
    engine = Engine(read_limits(workspace))
    rows = run_suites(workspace, engine, load_suites())
    rows = sorted([*rows, *check_schemas(workspace), *extra_results], key=lambda row: row.sort_key)
    report = _write(workspace.gate, engine, rows, version, override)
    # Beside the gate's folder, not in it: the pages contain the time of the run, and the gate's output is versioned.
    with atomic_path(workspace.reports / "data_docs") as temporary:
        engine.write_data_docs(temporary)
    return report


def run_suites(workspace: Workspace, engine: Engine, suites: Sequence[Suite]) -> list[ValidationRow]:
    """Run suites on the tables of a workspace.

    Raises
    ------
    GateError
        A table's file cannot be read at all.
    """
    import duckdb

    try:
        with open_tables(workspace) as connection:
            set_variables(connection, engine.parameters)
            return [row for suite in suites for row in engine.run(suite, load_frame(connection, suite.name))]
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        # DuckDB's message may quote a value; only the error's type is passed on.
        raise GateError(
            f"a table under data/tables cannot be read ({type(error).__name__}); bring it back with `dvc pull`, "
            "or run `eccl ingest RAW` again"
        ) from None


def _write(folder: Path, engine: Engine, rows: list[ValidationRow], version: str, override: str | None) -> GateReport:
    critical = count_failures(rows, CRITICAL)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        write_parquet(to_table(rows, version), temporary / "results.parquet")
        report = GateReport(
            status=FAILED if critical else PASSED,
            data_version=version,
            rows=tuple(rows),
            results_sha256=sha256_file(temporary / "results.parquet"),
            override=override,
            folder=folder,
        )
        verdict = {name: getattr(report, name) for name in _VERDICT}
        (temporary / "summary.html").write_text(render("quality/summary.html.jinja", report=report), encoding="utf-8")
        (temporary / "gate.json").write_text(json.dumps(verdict, indent=2) + "\n", encoding="utf-8")
    return report
