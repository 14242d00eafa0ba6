"""The ingest as a list of steps: discover, plan, map over batches, tables, cohort, reconcile.

::

    with session(workspace, raw) as ingest:            # raw: a folder, a URL, or another source of records
        results = map(ingest.work, ingest.batches)     # by processes, threads of a flow, or a cluster
        report = ingest.finish(results)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from eccl.cohort.derive import derive_cohort
from eccl.config import Params, load_params
from eccl.data.arrays import prepare_array
from eccl.data.files import sweep
from eccl.data.lock import writing
from eccl.data.parts import data_version
from eccl.errors import Reason, ReconcileError, WorkspaceError
from eccl.ingest.batch import BatchResult, ingest_batch
from eccl.ingest.plan import Batch, Plan, damaged_slots, make_plan, mend_arrays, taken_rows
from eccl.ingest.raw.discover import Discovery, skip_withdrawn
from eccl.ingest.raw.source import KnownHashes, Source, to_source
from eccl.ingest.record import record_readers
from eccl.ingest.report import IngestReport, reconcile
from eccl.ingest.tabular import ingest_tables
from eccl.ingest.workers import WorkerProcesses, fitting_workers
from eccl.ledger.tombstones import Tombstones, require_no_pending_withdrawal
from eccl.modalities import MODALITIES
from eccl.workspace import Workspace

Progress = Callable[[int, int], None]
Retry = bool | Collection[Reason]
"""Quarantined files that are read again: all of them (True), or those with some reasons."""


class IngestSession:
    """One ingest under the workspace's write lock; made by :func:`session`."""

    def __init__(
        self, workspace: Workspace, source: Source, params: Params, *, retry: Retry = False, repair: bool = False
    ) -> None:
        self.workspace = workspace
        self.source = source
        self.params = params
        self.hashes = KnownHashes(source, workspace.raw_hashes)
        self.readers = record_readers(params)
        if repair:
            for reader in self.readers:
                mend_arrays(workspace.data, reader)
        self.found, self.plans = plan_ingest(workspace, source, params, self.hashes, retry=retry, repair=repair)
        self.remarks: tuple[str, ...] = ()
        self._version_before = _version(workspace)

    @property
    def batches(self) -> list[Batch]:
        """Batches to commit; those of the slowest modality first."""
        return [batch for modality in reversed(MODALITIES) for batch in self.plans[modality.kind].batches]

    @property
    def work(self) -> Callable[[Batch], BatchResult]:
        """Function that commits one batch; it can be sent to another process."""
        return partial(ingest_batch, self.source, self.workspace.data, self.params)

    def fitting(self, workers: int) -> int:
        """Number of worker processes for which there is work and memory.

        Raises
        ------
        ConfigError
            There is no memory for one batch.
        """
        readers = [reader for reader in self.readers if self.plans[reader.kind].batches]
        useful = max(1, min(workers, len(self.batches)))
        fitting = fitting_workers(useful, readers) if readers else 1
        if fitting < useful:
            self.remarks = (f"there was memory for {fitting} of {useful} workers",)
        return fitting

    def prepare(self) -> None:
        """Create or widen the arrays' metadata, once, before any worker starts."""
        self.workspace.tables.mkdir(parents=True, exist_ok=True)
        sweep(self.workspace.data)
        for reader in self.readers:
            for spec in reader.specs:
                prepare_array(self.workspace.data, spec, self.plans[reader.kind].shards)

    def finish(self, results: Iterable[BatchResult]) -> IngestReport:
        """Write the tables, derive the cohort and account for every file.

        Raises
        ------
        ReconcileError
            Counts, or committed rows and plan, disagree.
        """
        done = list(results)
        self._remember(done)
        tombstones = Tombstones.load(self.workspace)
        tabular = ingest_tables(self.workspace, self.source.files, self.found, tombstones, self.params.limits)
        cohort = derive_cohort(self.workspace, self.params.cohort)
        kinds = tuple(reconcile(kind, self.found, plan, done) for kind, plan in self.plans.items())
        self._check_slots()
        version = data_version(self.workspace.data)
        return IngestReport(
            kinds, tabular, cohort, version, is_changed=version != self._version_before, remarks=self.remarks
        )

    def _remember(self, results: list[BatchResult]) -> None:
        files = {
            (batch.kind, item.row): item.file
            for plan in self.plans.values()
            for batch in plan.batches
            for item in batch.items
        }
        for result in results:
            for row, digest in result.hashes:
                self.hashes.remember(files[(result.kind, row)], digest)
        self.hashes.save()

    def _check_slots(self) -> None:
        for modality in MODALITIES:
            planned = {item.row for batch in self.plans[modality.kind].batches for item in batch.items}
            missing = planned - taken_rows(self.workspace.data, modality)
            if missing:
                raise ReconcileError(
                    f"{modality.kind}: {len(missing)} planned slots were not committed; run the ingest again"
                )


def plan_ingest(
    workspace: Workspace,
    raw: str | Path | Source,
    params: Params,
    hashes: KnownHashes | None = None,
    *,
    retry: Retry = False,
    repair: bool = False,
) -> tuple[Discovery, dict[str, Plan]]:
    """Plan an ingest without writing anything; `retry` and `repair` are those of :func:`run_ingest`.

    Files of withdrawn participants are skipped, even if the source still holds them.

    Raises
    ------
    WithdrawalError
        A withdrawal was interrupted, or the tombstones cannot be read.
    """
    require_no_pending_withdrawal(workspace)
    source = to_source(raw, params.limits)
    found = skip_withdrawn(source.discover(), Tombstones.load(workspace).select)
    known = hashes or KnownHashes(source, workspace.raw_hashes)
    reasons = Reason if retry is True else retry or ()
    plans = {
        reader.kind: make_plan(
            workspace.data,
            reader,
            found.files[reader.kind],
            known,
            retry={reason.value for reason in reasons},
            damaged=damaged_slots(workspace.data, reader.modality) if repair else (),
        )
        for reader in record_readers(params)
    }
    return found, plans


def _version(workspace: Workspace) -> str | None:
    try:
        return data_version(workspace.data)
    except WorkspaceError:
        return None


@contextmanager
def session(
    workspace: Workspace,
    raw: str | Path | Source,
    *,
    retry: Retry = False,
    repair: bool = False,
) -> Iterator[IngestSession]:
    """Plan an ingest and hold the write lock until it is finished; the parameters are those of :func:`run_ingest`."""
    params = load_params(workspace.params_file)
    with writing(workspace.state, "ingest"):
        ingest = IngestSession(workspace, to_source(raw, params.limits), params, retry=retry, repair=repair)
        ingest.prepare()
        yield ingest


def run_ingest(
    workspace: Workspace,
    raw: str | Path | Source,
    *,
    workers: int = 2,
    retry: Retry = False,
    repair: bool = False,
    on_progress: Progress | None = None,
) -> IngestReport:
    """Ingest raw files, or another source of records, with worker processes on this machine.

    Parameters
    ----------
    raw
        Folder with XML, zip and table files, in any layout; a URL of one (``s3://bucket/raw``); or a
        :class:`eccl.ingest.raw.source.Source`.
    workers
        Processes that commit batches; 1 means the calling process.
    retry
        Read quarantined files again: all of them, or those with some reasons.
    repair
        Check every committed slot, and read the raw files of those that differ from their checksum again.
    on_progress
        Called with (files done, files planned).
    """
    with session(workspace, raw, retry=retry, repair=repair) as ingest:
        total = sum(len(batch.items) for batch in ingest.batches)
        results: list[BatchResult] = []
        for result in _results(ingest, ingest.fitting(workers)):
            results.append(result)
            if on_progress:
                on_progress(sum(one.expected for one in results), total)
        return ingest.finish(results)


def _results(ingest: IngestSession, workers: int) -> Iterator[BatchResult]:
    if workers == 1:
        yield from map(ingest.work, ingest.batches)
        return
    with WorkerProcesses(workers) as pool:
        yield from pool.map(ingest.work, ingest.batches)
