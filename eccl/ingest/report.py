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

    def check(self) -> None:
        """Raise ReconcileError unless every file found is accounted for."""
        accounted = self.written + self.repaired + sum(self.skipped.values()) + sum(self.quarantined.values())
        if accounted != self.expected:
            raise ReconcileError(
                f"{self.kind}: {self.expected} files found, {accounted} accounted for ({self.written} written, "
                f"{self.repaired} repaired, "
                f"{sum(self.skipped.values())} skipped, {sum(self.quarantined.values())} quarantined); run the ingest again, "
                "and report this if it happens again"
            )


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
        lines = []
        for kind in self.kinds:
            reasons = ", ".join(f"{count} {reason}" for reason, count in {**kind.skipped, **kind.quarantined}.items())
            lines.append(
                f"{kind.kind}: {kind.expected} expected = {kind.written} written + "
                + (f"{kind.repaired} repaired + " if kind.repaired else "")
                + f"{sum(kind.skipped.values())} skipped + "
                f"{sum(kind.quarantined.values())} quarantined" + (f" ({reasons})" if reasons else "")
            )
        rows = ", ".join(f"{count} {name}" for name, count in {**self.tabular.rows, **self.cohort}.items())
        lines.append(f"tables: {self.tabular.read} of {self.tabular.files} files read; {rows}")
        if self.tabular.quarantined:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.tabular.quarantined.items())
            lines.append(f"tables, quarantined: {reasons}")
        if self.tabular.withdrawn_rows:
            lines.append(
                f"tables: {self.tabular.withdrawn_rows} rows of participants withdrawn before the export skipped"
            )
        for kind in self.kinds:
            if kind.damaged:
                lines.append(f"{kind.kind}: {kind.repaired} of {kind.damaged} damaged slots were repaired{_rest(kind)}")
            if kind.vanished:
                lines.append(
                    f"{kind.kind}: {kind.vanished} known visits have no raw file any more; their slots are kept"
                )
        if self.tabular.left_in_arrays:
            lines.append(
                f"{self.tabular.left_in_arrays} visits of withdrawn participants are still in the arrays and their parts, and the gate "
                "fails because of them: run `eccl withdraw LIST` with their withdrawal list"
            )
        lines += self.remarks
        change = "changed" if self.is_changed else "nothing changed"
        lines.append(f"data version {self.data_version} ({change})")
        return "\n".join(lines)


def _rest(kind: KindReport) -> str:
    if kind.repaired == kind.damaged:
        return ""
    return "; the raw files of the others are missing, changed or unreadable: restore their shards with `dvc checkout data.dvc`"


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
    report.check()
    return report
