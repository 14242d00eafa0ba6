"""``eccl stage``: single steps that dvc.yaml calls."""

from __future__ import annotations

import typer

from eccl.commands.options import WorkspaceOption
from eccl.workspace import find_workspace


def validate_stage(workspace: WorkspaceOption = None) -> None:
    """Run the gate in this process and write reports/gate; exit with 1 if it failed and is not overridden.

    Example: eccl stage validate
    """
    from eccl.config import load_params
    from eccl.quality.checks import check_slots
    from eccl.quality.gate import run_gate

    place = find_workspace(workspace)
    params = load_params(place.params_file).quality
    report = run_gate(place, override=params.override, extra_results=check_slots(place, params.slots_checked))
    typer.echo(
        f"Gate {report.status} on data version {report.data_version}: {report.expectations} expectations, "
        f"{report.critical_failures} critical failures, {report.warnings} warnings"
    )
    for row in report.failures:
        typer.echo(f"  {row.severity}: {row.table_name}.{row.column_name or '*'} {row.expectation} ({row.note})")
    if not report.is_passed:
        raise typer.Exit(1)
