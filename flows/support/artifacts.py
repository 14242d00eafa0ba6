"""A run's page and log in Prefect: counts, quarantined files with their remedies, the gate, the reports. Never an id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from prefect.artifacts import MarkdownArtifact, TableArtifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from rich.console import Console

from eccl.errors import Reason
from eccl.ingest.report import IngestReport
from eccl.remedies import remedy
from eccl.workspace import Workspace
from flows.support.redaction import without_ids

Row = Mapping[str, Any]
REPORTS_URL = "ECCL_REPORTS_URL"
"""Environment variable with the address that serves reports/; links on the run page begin with it."""


def announce(message: str) -> None:
    """Print a message and write it to the run's log."""
    Console(stderr=True).print(message, highlight=False)
    get_run_logger().info(message)


def show_ingest(report: IngestReport) -> None:
    """Show counts per kind of file, quarantined files with what to do about them, and the tables."""
    counts = [
        {
            "kind": kind.kind,
            "expected": kind.expected,
            "written": kind.written,
            "repaired": kind.repaired,
            "skipped": sum(kind.skipped.values()),
            "quarantined": sum(kind.quarantined.values()),
            "changed": kind.changed,
            "vanished": kind.vanished,
        }
        for kind in report.kinds
    ]
    _table(
        "ingest-counts",
        counts,
        "Every raw file is accounted for: expected = written + repaired + skipped + quarantined.",
    )
    quarantined = [
        {"kind": kind, "reason": reason, "files": count, "what to do": remedy(Reason(reason))}
        for kind, reasons in [
            *((one.kind, one.quarantined) for one in report.kinds),
            ("table", report.tabular.quarantined),
        ]
        for reason, count in reasons.items()
    ]
    if quarantined:
        _table("ingest-quarantine", quarantined, "Files quarantined in this run, and what to do about them.")
    flags = [f"{count} {kind.kind} flagged {flag}" for kind in report.kinds for flag, count in kind.flags.items()]
    lines = [f"## Data version `{report.data_version}`", *(f"- {line}" for line in report.describe().splitlines())]
    _markdown("ingest", [*lines, f"- flags: {', '.join(flags) or 'none'}"], "Raw files of this run.")


def show_gate(place: Workspace, found: Mapping[str, Any]) -> None:
    """Show the gate's result, what failed, and links to its reports."""
    if failures := _failures(place):
        _table("gate-failures", failures, "Expectations that were not met.")
    override = f"- Override: {found['override']}" if found.get("override") else "- No override"
    lines = [
        f"## Gate {found['status']}",
        f"- Data version `{found['data_version']}`",
        f"- {found['expectations']} expectations, {found['critical_failures']} critical failures, {found['warnings']} warnings",
        override,
        *_links(place, {"Summary": "gate/summary.html", "Data Docs": "data_docs/index.html"}),
    ]
    _markdown("gate", lines, "Result of the gate.")


def show_training(place: Workspace, stages: Mapping[str, str]) -> None:
    """Show the stages that ran, the metrics, and the figures."""
    _table("training-stages", [{"stage": stage, "what": what} for stage, what in stages.items()], "Stages of dvc.yaml.")
    figures = {
        path.stem.replace("_", " "): path.relative_to(place.reports).as_posix()
        for path in sorted(place.reports.glob("*/*.png"))
    }
    lines = ["## Training", *_metrics(place), *_links(place, {"Gate": "gate/summary.html", **figures})]
    base = os.environ.get(REPORTS_URL)
    lines += [f"\n![{name}]({base.rstrip('/')}/{path})" for name, path in figures.items()] if base else []
    _markdown("training", lines, "Stages and metrics of this run.")


def show_release(name: str, is_new: bool, rows: Mapping[str, int]) -> None:
    """Show the rows of each table of a release."""
    state = "Published" if is_new else "Nothing new since"
    if rows:
        _table("release-tables", [{"table": table, "rows": count} for table, count in rows.items()], f"{state} {name}.")
    _markdown("release", [f"## {state} release `{name}`", f"- {len(rows)} tables"], "What analysts see.")


def show_withdrawal(place: Workspace, certificate: str | None) -> None:
    """Show the counts of a certificate."""
    if certificate is None:
        _markdown("withdrawal", ["## No participant to withdraw"], "All on the list were withdrawn before.")
        return
    content = json.loads((place.ledger / "withdrawals" / f"{certificate}.json").read_text())
    rows = [
        {"what": f"{section}: {name}", **{key: counts[key] for key in ("before", "removed", "after") if key in counts}}
        for section in ("tables", "arrays", "features", "releases")
        for name, counts in content.get(section, {}).items()
        if isinstance(counts, Mapping) and counts.get("removed")
    ]
    if rows:
        _table("withdrawal-counts", rows, f"Certificate {certificate}.")
    lines = [
        f"## Certificate `ledger/withdrawals/{certificate}.md`",
        f"- {content['participants']} participants",
        f"- Models trained on their data: {len(content.get('runs_tainted', []))}",
    ]
    _markdown("withdrawal", lines, "What was removed.")


def _failures(place: Workspace) -> list[Row]:
    import pyarrow.parquet as pq

    path = place.gate / "results.parquet"
    if not path.is_file():
        return []
    columns = ["severity", "table_name", "column_name", "expectation", "unexpected_count", "element_count"]
    rows = pq.read_table(path, columns=columns, filters=[("success", "=", False)]).to_pylist()
    order = {"critical": 0}
    return [
        {name: "-" if value is None else value for name, value in row.items()}
        for row in sorted(rows, key=lambda row: (order.get(row["severity"], 1), row["table_name"]))
    ]


def _metrics(place: Workspace) -> list[str]:
    path = place.reports / "metrics.json"
    if not path.is_file():
        return []
    found: dict[str, Any] = json.loads(path.read_text())
    return [f"- {name}: {value:.4g}" for name, value in found.items() if isinstance(value, float)][:20]


def _links(place: Workspace, files: Mapping[str, str]) -> list[str]:
    # A browser does not follow a page's links to files: without a server of reports/ the path is shown instead.
    base = os.environ.get(REPORTS_URL)
    return [
        f"- [{name}]({base.rstrip('/')}/{path})" if base else f"- {name}: `reports/{path}` in the workspace"
        for name, path in files.items()
        if (place.reports / path).is_file()
    ]


def _table(key: str, rows: Iterable[Row], description: str) -> None:
    clean: list[dict[str, Any]] = [
        {name: without_ids(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
    ]
    TableArtifact(table=clean, key=key, description=without_ids(description), flow_run_id=_page()).create()


def _markdown(key: str, lines: Iterable[str], description: str) -> None:
    text = without_ids("\n".join(lines))
    MarkdownArtifact(markdown=text, key=key, description=without_ids(description), flow_run_id=_page()).create()


def _page() -> UUID | None:
    # All artifacts are on one page: that of the run that called the others.
    root = flow_run.root_flow_run_id
    return UUID(root) if root else None
