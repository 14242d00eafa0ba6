"""Counts of an ingest: files expected, written, repaired, skipped and quarantined, which must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from eccl.errors import ReconcileError
from eccl.ingest.batch import BatchResult
from eccl.ingest.plan import Plan
from eccl.ingest.raw.discover import Discovery
from eccl.ingest.tabular import TabularReport
from eccl.templates import render


@dataclass(frozen=True, slots=True)
class KindReport:
    """Counts of one kind of raw file; ``expected`` = ``written`` + ``repaired`` + ``skipped`` + ``quarantined``.

    `damaged` counts committed slots that did not read back, if the run was a repair; the raw file of those that were not
    repaired is missing, changed or unreadable.
    """

    kind: str
    expected: int
    written: int
    repaired: int
    skipped: dict[str, int]
    quarantined: dict[str, int]
    flags: dict[str, int]
    changed: int
    vanished: int
    damaged: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Outcome of one ingest."""

    kinds: tuple[KindReport, ...]
    tabular: TabularReport
    cohort: dict[str, int] = field(default_factory=dict)
    data_version: str = ""
    is_changed: bool = False
    remarks: tuple[str, ...] = ()

    def describe(self) -> str:
        """Summarise the counts in a few lines of text."""
        return render("ingest/report.txt.jinja", report=self)


def reconcile(kind: str, found: Discovery, plan: Plan, results: Iterable[BatchResult]) -> KindReport:
    """Add up the results of one kind of raw file and check the sum.

    Raises
    ------
    ReconcileError
        Files found and files accounted for differ.
    """
    own = [result for result in results if result.kind == kind]
    quarantined: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    for result in own:
        quarantined.update(result.quarantined)
        flags.update(result.flags)
    unplaced = [file.reason.value for file in found.unplaced if file.kind == kind]
    quarantined.update(unplaced)
    repaired = sum(result.repaired for result in own)
    skipped = {
        "unchanged": plan.unchanged,
        "damaged, not readable now": plan.repairs - repaired,
        "quarantined before": plan.quarantined_before,
        "withdrawn": found.withdrawn[kind],
        "second copy": found.duplicates[kind],
    }
    report = KindReport(
        kind=kind,
        expected=len(found.files[kind]) + len(unplaced) + found.withdrawn[kind] + found.duplicates[kind],
        written=sum(result.written for result in own),
        repaired=repaired,
        skipped={reason: count for reason, count in skipped.items() if count},
        quarantined=dict(sorted(quarantined.items())),
        flags=dict(sorted(flags.items())),
        changed=plan.changed,
        vanished=plan.vanished,
        damaged=plan.damaged,
    )
    accounted = report.written + report.repaired + sum(report.skipped.values()) + sum(report.quarantined.values())
    if accounted != report.expected:
        raise ReconcileError(
            f"{kind}: {report.expected} files found, {accounted} accounted for ({report.written} written, "
            f"{report.repaired} repaired, {sum(report.skipped.values())} skipped, {sum(report.quarantined.values())} quarantined); "
            "run the ingest again, and report this if it happens again"
        )
    return report
