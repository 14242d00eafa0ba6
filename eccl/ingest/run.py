"""The ingest, step by step: discover, plan, map, tables, cohort, reconcile.

::

    with session(workspace, raw) as ingest:            # raw: a folder, a URL, or another source of records
        results = map(ingest.work, ingest.batches)     # by processes, threads of a flow, or a cluster
        report = ingest.finish(results)
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eccl.cohort.derive import derive_cohort
from eccl.config import Params, load_params
from eccl.data.arrays import prepare_array
from eccl.data.files import sweep
from eccl.data.lock import writing
from eccl.data.parts import data_version
from eccl.errors import Reason, ReconcileError, WorkerError, WorkspaceError
from eccl.ingest.batch import BatchResult, ingest_batch
from eccl.ingest.memory import fitting_workers
from eccl.ingest.modality import Modality, modalities
from eccl.ingest.plan import Batch, Plan, make_plan, taken_rows
from eccl.ingest.raw.discover import Discovery, leave_out
from eccl.ingest.raw.known_files import SeenFiles
from eccl.ingest.raw.source import Source, to_source
from eccl.ingest.repair import damaged_slots, mend_arrays
from eccl.ingest.report import IngestReport, reconcile
from eccl.ingest.tabular import ingest_tables
from eccl.ledger.tombstones import Tombstones, require_no_pending_withdrawal
from eccl.workspace import Workspace

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Again:
    """What an ingest reads again although its raw file is the same.

    Parameters
    ----------
    retry
        Refused files: all of them (True), or those refused for some reasons.
    repair
        Committed slots that do not read back to their checksum; finding them reads every slot.
    """

    retry: bool | Collection[Reason] = False
    repair: bool = False

    @property
    def reasons(self) -> frozenset[str]:
        """Reasons whose files are read again."""
        chosen = Reason if self.retry is True else self.retry or ()
        return frozenset(reason.value for reason in chosen)


class IngestSession:
    """One ingest under the workspace's write lock; made by :func:`session`."""

    def __init__(self, workspace: Workspace, source: Source, params: Params, again: Again = Again()) -> None:
        self.workspace = workspace
        self.source = source
        self.params = params
        self.seen = SeenFiles(source, workspace.state / "seen.json")
        self.modalities: dict[str, Modality] = {m.kind: m for m in modalities(params)}
        if again.repair:
            for modality in self.modalities.values():
                mend_arrays(workspace.data, modality)
        self.found, self.plans = plan_ingest(workspace, source, params, self.seen, again)
        self.remarks: tuple[str, ...] = ()
        self._version_before = _version(workspace)

    @property
    def batches(self) -> list[Batch]:
        """Work to do; cines first, because they take longest."""
        return [batch for kind in ("cine", "ecg") for batch in self.plans[kind].batches]

    @property
    def work(self) -> Callable[[Batch], BatchResult]:
        """Function that commits one batch; it can be sent to another process."""
        return partial(ingest_batch, self.source, self.workspace.data, self.params)

    def fitting(self, workers: int) -> int:
        """Worker processes that there is work and memory for.

        Raises
        ------
        ConfigError
            There is no memory for one batch.
        """
        kinds = [m for m in self.modalities.values() if self.plans[m.kind].batches]
        useful = max(1, min(workers, len(self.batches)))
        fitting = fitting_workers(useful, kinds) if kinds else 1
        if fitting < useful:
            self.remarks = (f"there was memory for {fitting} of {useful} workers",)
        return fitting

    def prepare(self) -> None:
        """Create or widen the arrays' metadata, once, before any worker starts."""
        self.workspace.tables.mkdir(parents=True, exist_ok=True)
        sweep(self.workspace.data)
        for kind, modality in self.modalities.items():
            for spec in modality.specs:
                prepare_array(self.workspace.data, spec, self.plans[kind].shards)

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
        place = self.workspace
        tabular = ingest_tables(self.source.files, place.data, place.state, self.found, tombstones, self.params.limits)
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
                self.seen.remember(files[(result.kind, row)], digest)
        self.seen.save()

    def _check_slots(self) -> None:
        for kind, modality in self.modalities.items():
            planned = {item.row for batch in self.plans[kind].batches for item in batch.items}
            missing = planned - taken_rows(self.workspace.data, modality)
            if missing:
                raise ReconcileError(f"{kind}: {len(missing)} planned slots were not committed; run the ingest again")


def plan_ingest(
    workspace: Workspace,
    raw: str | Path | Source,
    params: Params,
    seen: SeenFiles | None = None,
    again: Again = Again(),
) -> tuple[Discovery, dict[str, Plan]]:
    """Tell what an ingest would do; nothing is written.

    Whoever withdrew from this workspace stays away, whatever the source still holds.

    Raises
    ------
    WithdrawalError
        A withdrawal was interrupted, or the tombstones cannot be read.
    """
    require_no_pending_withdrawal(workspace)
    source = to_source(raw, params.limits)
    found = leave_out(source.discover(), Tombstones.load(workspace).select)
    memory = seen or SeenFiles(source, workspace.state / "seen.json")
    plans = {
        m.kind: make_plan(
            workspace.data,
            m,
            found.files[m.kind],
            memory,
            retry=again.reasons,
            damaged=damaged_slots(workspace.data, m) if again.repair else (),
        )
        for m in modalities(params)
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
    retry: bool | Collection[Reason] = False,
    repair: bool = False,
) -> Iterator[IngestSession]:
    """Plan an ingest and hold the write lock until it is finished; the parameters are those of :func:`run_ingest`."""
    params = load_params(workspace.params_file)
    with writing(workspace.state, "ingest"):
        ingest = IngestSession(workspace, to_source(raw, params.limits), params, Again(retry, repair))
        ingest.prepare()
        yield ingest


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that ingest batches and die with their parent.

    They are spawned: a forked one would inherit tensorstore's threads and abort.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=_die_with_parent)


def _die_with_parent() -> None:
    # A killed parent releases the write lock; a worker that went on would write beside the next ingest.
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def run_ingest(
    workspace: Workspace,
    raw: str | Path | Source,
    *,
    workers: int = 2,
    retry: bool | Collection[Reason] = False,
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
        Processes that commit batches; with 1, this one does.
    retry
        Read again what was refused before: everything, or what was refused for some reasons.
    repair
        Read every committed slot back, and read the raw files of those that differ from their checksum again.
    on_progress
        Called with (files done, files planned).
    """
    with session(workspace, raw, retry=retry, repair=repair) as ingest:
        return ingest.finish(_mapped(ingest, workers, on_progress or (lambda done, total: None)))


def _mapped(ingest: IngestSession, workers: int, on_progress: Progress) -> Iterator[BatchResult]:
    total = sum(len(batch.items) for batch in ingest.batches)
    done = 0
    fitting = ingest.fitting(workers)
    if fitting == 1:
        for batch in ingest.batches:
            result = ingest.work(batch)
            done += result.expected
            on_progress(done, total)
            yield result
        return
    try:
        with worker_pool(fitting) as pool:  # a pool whose worker died while it started refuses what is submitted
            for future in as_completed([pool.submit(ingest.work, batch) for batch in ingest.batches]):
                result = future.result()
                done += result.expected
                on_progress(done, total)
                yield result
    except BrokenProcessPool:
        raise WorkerError(
            "a worker process was ended from outside, often by the system for lack of memory; what was committed stays; "
            "run the same command again, with fewer --workers if it happens twice"
        ) from None
