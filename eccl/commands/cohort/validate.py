"""``eccl validate``: the gate, then the whole product; ``eccl stage validate``: the gate alone, called by dvc.yaml."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from eccl.commands.options import JsonOption, WorkspaceOption
from eccl.workspace import find_workspace

if TYPE_CHECKING:
    from eccl.quality.product.check import ProductReport


def validate(
    all_slots: Annotated[
        bool,
        typer.Option("--all-slots", help="Verify the checksum of every slot; default is a sample of every shard."),
    ] = False,
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="Run the gate first, as a DVC stage, or check the product only.")
    ] = True,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the gate, then check that arrays, tables, hashes, splits, features and releases agree.

    Prints the store as a tree with the findings, and writes them to reports/product. Exits with 1 if the gate failed or a
    finding is critical.

    Example: eccl validate --all-slots
    """
    from eccl.commands.flow import run_flow
    from eccl.quality.product.check import check_product

    place = find_workspace(workspace)
    is_passed = True
    if gate:
        try:
            run_flow("validate", place, to_stderr=as_json)
        except typer.Exit:
            is_passed = False
    report = check_product(place, all_slots=all_slots)
    if as_json:
        typer.echo(json.dumps({"gate_passed": is_passed if gate else None, **report.to_dict()}, indent=1))
    else:
        _print(report)
    if not (is_passed and report.is_sound):
        raise typer.Exit(1)


def _print(report: ProductReport) -> None:
    from eccl.quality.product.findings import SEVERITIES, draw

    typer.echo(draw(report.tree), nl=False)
    for where, finding in report.findings:
        typer.echo(f"{finding.severity}: {where}: {finding.what}\n    {finding.remedy}")
    counts = ", ".join(f"{report.count(severity)} {severity}" for severity in SEVERITIES)
    slots = "every slot" if report.all_slots else "a sample of every shard"
    typer.echo(
        f"Product {'sound' if report.is_sound else 'NOT sound'} on data version {report.data_version}: {counts}; {slots} read back"
    )


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
