"""A withdrawal as a list of steps. Each step can be repeated, so an interrupted withdrawal is resumed from the first step.

::

    plan       count rows, slots and files without writing (a dry run ends here)
    journal    write the plan to disk; ingest, training and publication are refused until the withdrawal is complete
    steps      tombstones, slots, parts, shards, tables, features, reports, caches, stores, raw files
    certify    count again, search, write the certificate, delete the journal
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eccl.data.files import sweep
from eccl.data.lock import writing
from eccl.errors import WithdrawalError
from eccl.ledger.certificates import Certificate
from eccl.ledger.tombstones import Tombstones, journal_path, require_no_pending_withdrawal
from eccl.withdrawal.certificate import certify
from eccl.withdrawal.data import delete_slots, empty_caches, empty_parts, empty_shards, empty_tables
from eccl.withdrawal.features import empty_features, empty_reports
from eccl.withdrawal.journal import Plan, read_journal, write_journal
from eccl.withdrawal.plan import make_plan, read_list
from eccl.withdrawal.raw import empty_raw
from eccl.withdrawal.search import SearchResult, search
from eccl.withdrawal.stores import redact_stores
from eccl.workspace import Workspace

Progress = Callable[[int, int], None]


def _add_tombstones(workspace: Workspace, plan: Plan) -> None:
    Tombstones.add(workspace, plan.eids, plan.since, plan.certificate)


def _empty_raw(workspace: Workspace, plan: Plan) -> None:
    if plan.raw:
        empty_raw(Path(plan.raw), plan.select)


STEPS: tuple[tuple[str, Callable[[Workspace, Plan], None]], ...] = (
    ("tombstones", _add_tombstones),
    ("slots", delete_slots),
    ("parts", empty_parts),
    ("shards", empty_shards),
    ("tables", empty_tables),
    ("features", empty_features),
    ("reports", empty_reports),
    ("caches", empty_caches),
    ("stores", redact_stores),
    ("raw", _empty_raw),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a withdrawal.

    Parameters
    ----------
    certificate
        None if no participant was left to withdraw.
    searched
        The search if no participant was left to withdraw; otherwise it is part of the certificate.
    """

    certificate: Certificate | None
    searched: SearchResult | None = None

    @property
    def is_clean(self) -> bool:
        """Whether the search found nothing."""
        if self.certificate:
            return self.certificate.is_clean
        return not (self.searched and self.searched.found)


def plan_withdrawal(workspace: Workspace, listed: Path, raw: Path | None = None) -> Plan:
    """Count what a withdrawal would change without writing anything.

    The plan holds participants without a tombstone, and participants with a tombstone of whom data was restored.

    Raises
    ------
    WorkspaceError
        The list or the raw folder cannot be read.
    WithdrawalError
        An earlier withdrawal was interrupted, or the tombstones cannot be read.
    """
    require_no_pending_withdrawal(workspace)
    eids = read_list(listed)
    earlier = Tombstones.load(workspace).select(eids)
    if earlier and not make_plan(workspace, listed, earlier, raw).traces:
        eids -= earlier  # UK Biobank's lists repeat earlier withdrawals
    return make_plan(workspace, listed, eids, raw)


def withdraw(
    workspace: Workspace, listed: Path, raw: Path | None = None, *, on_progress: Progress | None = None
) -> Outcome:
    """Remove the participants of a withdrawal list from everything derived from their data.

    Parameters
    ----------
    raw
        Folder of raw files to clean as well; None leaves raw files unchanged.
    on_progress
        Called with (steps done, steps).

    Raises
    ------
    WorkspaceError, WithdrawalError
        As :func:`plan_withdrawal`; nothing was changed then.
    LockedError
        Another process is writing.
    """
    with writing(workspace.state, "withdraw"):
        plan = plan_withdrawal(workspace, listed, raw)
        if not plan.eids:
            eids = frozenset(read_list(listed))
            found = search(workspace, eids.intersection, raw=raw, exclude={listed.resolve()})
            return Outcome(None, found)
        write_journal(workspace, plan)
        return Outcome(_run_steps(workspace, plan, on_progress))


def resume(workspace: Workspace, *, on_progress: Progress | None = None) -> Outcome:
    """Continue an interrupted withdrawal.

    Raises
    ------
    WithdrawalError
        There is none.
    """
    with writing(workspace.state, "withdraw"):
        plan = read_journal(workspace)
        if plan is None:
            raise WithdrawalError("no withdrawal was interrupted here; start one with `eccl withdraw LIST`")
        return Outcome(_run_steps(workspace, plan, on_progress))


def _run_steps(workspace: Workspace, plan: Plan, on_progress: Progress | None) -> Certificate:
    _sweep(workspace)
    report = on_progress or (lambda done, total: None)
    for number, (_, step) in enumerate(STEPS):
        report(number, len(STEPS) + 1)
        step(workspace, plan)
    report(len(STEPS), len(STEPS) + 1)
    certificate = certify(workspace, plan)
    journal_path(workspace).unlink()
    report(len(STEPS) + 1, len(STEPS) + 1)
    return certificate


def _sweep(workspace: Workspace) -> None:
    # Temporary files of killed writers may hold rows of the participants.
    for folder in (
        workspace.data,
        workspace.features,
        workspace.reports,
        workspace.releases,
        workspace.ledger,
        workspace.state,
    ):
        sweep(folder)
    for leftover in workspace.root.glob(".tmp-*"):
        if leftover.is_file():
            leftover.unlink()
