"""A withdrawal, step by step. Each step can be done again without harm, so a kill anywhere is followed by a resume.

::

    plan       count what there is; nothing is written (a dry run ends here)
    journal    the plan on disk: from here on ingest, training and publication refuse until the end
    steps      tombstones, slots, parts, shards, tables, features, reports, caches, stores, raw files
    certify    count again, search, write the certificate; the journal goes last
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
from eccl.withdrawal.caches import empty_caches
from eccl.withdrawal.certificate import certify
from eccl.withdrawal.data import delete_slots, empty_parts, empty_shards, empty_tables
from eccl.withdrawal.features import empty_features, empty_reports
from eccl.withdrawal.journal import Plan, read_journal, write_journal
from eccl.withdrawal.plan import make_plan, read_list
from eccl.withdrawal.raw import empty_raw
from eccl.withdrawal.search import Searched, search
from eccl.withdrawal.stores import redact_stores
from eccl.workspace import Workspace

Progress = Callable[[int, int], None]


def _bury(workspace: Workspace, plan: Plan) -> None:
    Tombstones.add(workspace, plan.eids, plan.since, plan.certificate)


def _empty_raw(workspace: Workspace, plan: Plan) -> None:
    if plan.raw:
        empty_raw(Path(plan.raw), plan.select)


STEPS: tuple[tuple[str, Callable[[Workspace, Plan], None]], ...] = (
    ("tombstones", _bury),
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
    """What a withdrawal did.

    Parameters
    ----------
    certificate
        None where there was nobody to withdraw.
    searched
        The search where there was nobody to withdraw; otherwise the certificate has it.
    """

    certificate: Certificate | None
    searched: Searched | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing was left behind."""
        if self.certificate:
            return self.certificate.is_clean
        return not (self.searched and self.searched.found)


def plan_withdrawal(workspace: Workspace, listed: Path, raw: Path | None = None) -> Plan:
    """Tell what a withdrawal would change; nothing is written.

    Only participants without a tombstone, and those of whom something came back, are in it.

    Raises
    ------
    WorkspaceError
        The list or the raw folder cannot be read.
    WithdrawalError
        An earlier withdrawal was interrupted, or the tombstones cannot be read.
    """
    require_no_pending_withdrawal(workspace)
    everybody = read_list(listed)
    buried = Tombstones.load(workspace).select(everybody)
    if buried and not make_plan(workspace, listed, buried, raw).traces:
        everybody -= buried  # UK Biobank's lists repeat who left before
    return make_plan(workspace, listed, everybody, raw)


def withdraw(
    workspace: Workspace, listed: Path, raw: Path | None = None, *, on_progress: Progress | None = None
) -> Outcome:
    """Remove the participants of a withdrawal list from everything that was derived from them.

    Parameters
    ----------
    raw
        Folder of raw files to remove them from too; None leaves raw files alone.
    on_progress
        Called with (steps done, steps).

    Raises
    ------
    WorkspaceError, WithdrawalError
        As :func:`plan_withdrawal`; nothing was changed then.
    LockedError
        Somebody else is writing.
    """
    with writing(workspace.state, "withdraw"):
        plan = plan_withdrawal(workspace, listed, raw)
        if not plan.eids:
            everybody = frozenset(read_list(listed))
            found = search(workspace, everybody.intersection, raw=raw, but={listed.resolve()})
            return Outcome(None, found)
        write_journal(workspace, plan)
        return Outcome(_carry_out(workspace, plan, on_progress))


def resume(workspace: Workspace, *, on_progress: Progress | None = None) -> Outcome:
    """Go on with an interrupted withdrawal.

    Raises
    ------
    WithdrawalError
        There is none.
    """
    with writing(workspace.state, "withdraw"):
        plan = read_journal(workspace)
        if plan is None:
            raise WithdrawalError("no withdrawal was interrupted here; start one with `eccl withdraw LIST`")
        return Outcome(_carry_out(workspace, plan, on_progress))


def _carry_out(workspace: Workspace, plan: Plan, on_progress: Progress | None) -> Certificate:
    _sweep(workspace)
    told = on_progress or (lambda done, total: None)
    for number, (_, step) in enumerate(STEPS):
        told(number, len(STEPS) + 1)
        step(workspace, plan)
    told(len(STEPS), len(STEPS) + 1)
    certificate = certify(workspace, plan)
    journal_path(workspace).unlink()
    told(len(STEPS) + 1, len(STEPS) + 1)
    return certificate


def _sweep(workspace: Workspace) -> None:
    # What killed writers left beside their files may hold rows that must go.
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
