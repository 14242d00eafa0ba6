"""The gate's result for people: one self-contained page, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from eccl.quality.results import CRITICAL, GateReport, ValidationRow, count_failures

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #f6f7f9; --card: #fff; --line: #dfe3e8;
  --good: #1a7f4b; --good-paper: #e3f4ea; --bad: #b3261e; --bad-paper: #fbe6e4; --warn: #8a5a00;
  --warn-paper: #fdf1d8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --soft: #9aa5b3; --paper: #14181d; --card: #1c2229;
  --line: #313943; --good: #6fd19c; --good-paper: #17382a; --bad: #ff9a91; --bad-paper: #43201d; --warn: #f2c46a;
  --warn-paper: #3c2f14; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 12px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.verdict { border-left: 6px solid; border-radius: 8px; padding: 20px 24px; }
.verdict.passed { background: var(--good-paper); border-color: var(--good); }
.verdict.failed { background: var(--bad-paper); border-color: var(--bad); }
.counts { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 0; }
.counts div { flex: 1 1 150px; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 16px; }
.counts b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 8px 12px; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-size: 13px; font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.badge { display: inline-block; border-radius: 999px; padding: 1px 10px; font-size: 13px; font-weight: 600;
  white-space: nowrap; }
.good { color: var(--good); background: var(--good-paper); } .bad { color: var(--bad); background: var(--bad-paper); }
.warn { color: var(--warn); background: var(--warn-paper); }
details { margin: 8px 0; } summary { cursor: pointer; padding: 6px 0; font-weight: 600; }
""".strip()


def render_summary(report: GateReport) -> str:
    """Return the page as HTML: verdict, what failed, suites, and every expectation.

    The page has no scripts, no links to other machines and no time of day in it.
    """
    body = "\n".join([_verdict(report), _failures(report.failures), _suites(report.rows), _everything(report.rows)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Validation gate: {report.status}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _verdict(report: GateReport) -> str:
    words = {
        "passed": "Passed: training may start",
        "failed": f"Failed: {_count(report.critical_failures, 'critical expectation')} not met",
    }
    override = ""
    if report.override is not None:
        override = f"<p><b>Overridden:</b> {escape(report.override)}. The reason is recorded in every run.</p>"
    elif report.status == "failed":
        override = "<p>Training is blocked until the data are mended or somebody overrides the gate with a reason.</p>"
    met = report.expectations - report.critical_failures - report.warnings
    tiles = [
        (report.expectations, "expectations"),
        (met, "met"),
        (report.critical_failures, "critical, not met"),
        (report.warnings, "warnings"),
    ]
    counts = "".join(f"<div><b>{number}</b>{label}</div>" for number, label in tiles)
    return (
        f'<section class="verdict {report.status}"><h1>{words[report.status]}</h1>'
        f'<p class="soft">Validation gate of data version <code>{escape(report.data_version)}</code></p>'
        f"{override}</section>\n"
        f'<section class="counts">{counts}</section>'
    )


def _failures(rows: Sequence[ValidationRow]) -> str:
    if not rows:
        return "<h2>What was not met</h2>\n<p>Nothing: every expectation was met.</p>"
    return "<h2>What was not met</h2>\n" + _table(rows)


def _suites(rows: Sequence[ValidationRow]) -> str:
    lines = []
    for suite, group in groupby(rows, key=lambda row: row.suite):
        found = list(group)
        critical = count_failures(found, CRITICAL)
        warnings = count_failures(found) - critical
        if critical:
            badge = _badge("bad", "not met")
        else:
            badge = _badge("warn", "warnings") if warnings else _badge("good", "met")
        lines.append(
            f'<tr><th scope="row">{escape(suite)}</th><td>{badge}</td><td class="n">{len(found)}</td>'
            f'<td class="n">{len(found) - critical - warnings}</td><td class="n">{critical}</td>'
            f'<td class="n">{warnings}</td></tr>'
        )
    head = (
        '<tr><th>Suite</th><th>Result</th><th class="n">Expectations</th><th class="n">Met</th>'
        '<th class="n">Critical, not met</th><th class="n">Warnings</th></tr>'
    )
    return (
        f'<h2>Suites</h2>\n<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def _everything(rows: Sequence[ValidationRow]) -> str:
    parts = ["<h2>Every expectation</h2>"]
    for suite, group in groupby(rows, key=lambda row: row.suite):
        found = list(group)
        label = f"{escape(suite)}: {_count(len(found), 'expectation')}"
        parts.append(f"<details><summary>{label}</summary>\n{_table(found)}</details>")
    return "\n".join(parts)


def _table(rows: Sequence[ValidationRow]) -> str:
    head = (
        '<tr><th>Result</th><th>Table</th><th>Column or fact</th><th>Expectation</th><th class="n">Rows</th>'
        '<th class="n">Unexpected</th><th>Observed</th></tr>'
    )
    return (
        f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>\n'
        + "\n".join(map(_line, rows))
        + "\n</tbody></table></div>\n"
    )


def _line(row: ValidationRow) -> str:
    if row.success:
        badge = _badge("good", "met")
    else:
        badge = _badge("bad", "critical") if row.severity == CRITICAL else _badge("warn", "warning")
    words = escape(row.expectation.removeprefix("expect_").replace("_", " "))
    return (
        f"<tr><td>{badge}</td><td>{escape(row.table_name)}</td>"
        f"<td><code>{escape(row.column_name or 'the table')}</code></td>"
        f'<td>{escape(row.note) or words}<br><span class="soft">{words}</span></td>'
        f'<td class="n">{_number(row.element_count)}</td><td class="n">{_number(row.unexpected_count)}</td>'
        f"<td>{escape(row.observed or '')}</td></tr>"
    )


def _badge(kind: str, words: str) -> str:
    return f'<span class="badge {kind}">{words}</span>'


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
