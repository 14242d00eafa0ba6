"""Map over batches with processes of this machine, a Dask cluster, or a Ray cluster.

A Prefect task is a batch, never a participant. ``processes``: tasks are threads that wait for worker processes. ``dask`` and
``ray``: tasks run in the cluster's workers, which need this package, the workspace and the raw files at the same paths.
"""

from __future__ import annotations

import fcntl
import importlib
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect import task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture, as_completed
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from eccl.errors import EcclError, FlowError, LockedError
from eccl.ingest.batch import BatchResult
from eccl.ingest.plan import Batch
from eccl.ingest.run import IngestSession
from eccl.ingest.workers import Work, WorkerProcesses
from flows.support.parameters import IngestParameters, Runner
from flows.support.policy import IO_RETRIES, retry_io
from flows.support.redaction import redact_errors

# Threads that wait for worker processes; more of them than processes, so that no process waits for work.
WAITING_THREADS = 16
CONNECT_S = 30.0
INSTALL = {"dask": "pip install 'eccl[dask]'", "ray": "pip install 'eccl[ray]'"}


@task(
    name="ingest-batch",
    cache_policy=NO_CACHE,
    retry_condition_fn=retry_io,
    task_run_name="{batch.kind}-{batch.shard}",
    **IO_RETRIES,
)
@redact_errors
def ingest_batch(run: Work, batch: Batch) -> BatchResult:
    """Commit one shard. A retry is safe: the commit is a rename."""
    return run(batch)


@contextmanager
def mapped(ingest: IngestSession, parameters: IngestParameters) -> Iterator[Iterator[BatchResult]]:
    """Map over the batches of an ingest and yield their results as they are finished.

    Raises
    ------
    FlowError
        The runner is not installed, its cluster cannot be reached, or a worker died each time a batch was tried.
    """
    batches, workers, address = ingest.batches, parameters.workers, parameters.address
    if not batches:
        yield iter(())
    elif parameters.runner == "processes":
        workers = ingest.fitting(workers)
        with (
            ThreadPoolTaskRunner[Any](max_workers=max(WAITING_THREADS, 2 * workers)) as tasks,
            WorkerProcesses(workers) as pool,
        ):
            yield _results(tasks, partial(pool.run, ingest.work), batches)
    else:
        # The workers of an existing cluster have their own memory.
        workers = workers if address else ingest.fitting(workers)
        fenced = Fenced(ingest.work, ingest.workspace.state, (ingest.workspace.state / "write.lock").read_text())
        with _cluster(parameters.runner, workers, address) as tasks, _server_for_workers(address):
            yield _results(tasks, fenced, batches)


def _results(tasks: TaskRunner[Any], run: Work, batches: list[Batch]) -> Iterator[BatchResult]:
    # Prefect types its runners' map for tasks that may be coroutines.
    futures: list[PrefectFuture[BatchResult]] = list(
        tasks.map(ingest_batch, {"run": unmapped(run), "batch": batches})  # type: ignore[arg-type]
    )
    for future in as_completed(futures):
        yield _result(future)


def _result(future: PrefectFuture[BatchResult]) -> BatchResult:
    try:
        return future.result()
    except EcclError:
        raise
    except Exception as error:
        # By name: distributed and ray are optional. Their messages are not passed on.
        if isinstance(error, BrokenExecutor) or type(error).__name__ in {"KilledWorker", "WorkerCrashedError"}:
            raise FlowError(
                f"a worker died each time it was given one batch ({type(error).__name__}): usually it was killed for memory, "
                "by the kernel or by the cluster. Give workers more memory or use fewer of them, then run the ingest again; "
                "it continues where it stopped"
            ) from None
        raise


@dataclass(frozen=True, slots=True)
class Fenced:
    """Work in a cluster, whose workers outlive a flow that was killed.

    A batch is not begun where its ingest has ended, and two batches of one shard are never written at the same time: the
    second waits, then finds its ingest ended, or replaces what the first one wrote by the same bytes.
    """

    work: Work
    state: Path
    holder: str

    def __call__(self, batch: Batch) -> BatchResult:
        folder = self.state / "batches"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{batch.kind}-{batch.shard:05d}.lock").open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if (self.state / "write.lock").read_text() != self.holder:
                raise LockedError(
                    "the ingest this batch belongs to has ended, so the batch was not begun; run the ingest again"
                )
            return self.work(batch)


@contextmanager
def _server_for_workers(address: str | None) -> Iterator[None]:
    """Let workers use the flow's own Prefect server; without this setting each would start its own."""
    if PREFECT_API_URL.value():
        yield
        return
    if address and urlsplit(address if "://" in address else f"//{address}").hostname not in {
        "127.0.0.1",
        "localhost",
        "::1",
    }:
        raise FlowError(
            f"workers of the cluster at {address} need a Prefect server they can reach, and none is configured; start one "
            "(`prefect server start --host 0.0.0.0`) and set PREFECT_API_URL to it"
        )
    with get_client(sync_client=True) as client, temporary_settings({PREFECT_API_URL: str(client.api_url)}):
        yield


def _cluster(runner: Runner, workers: int, address: str | None) -> TaskRunner[Any]:
    try:
        if runner == "dask":
            return _dask(workers, address)
        return _ray(workers, address)
    except ImportError as error:
        raise FlowError(
            f"runner {runner} needs a package that is not installed ({error.name}); install it with "
            f"`{INSTALL[runner]}`, or use runner `processes`"
        ) from None


def _dask(workers: int, address: str | None) -> TaskRunner[Any]:
    module = importlib.import_module("prefect_dask")
    if address:
        _reach(address)
        return module.DaskTaskRunner(address=address)  # type: ignore[no-any-return]
    # One thread each: a batch is work for one core, and arrays are not shared between threads.
    cluster = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    return module.DaskTaskRunner(cluster_kwargs=cluster)  # type: ignore[no-any-return]


def _reach(address: str) -> None:
    distributed = importlib.import_module("distributed")
    try:
        with distributed.Client(address, timeout=CONNECT_S, set_as_default=False) as client:
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
    except OSError as error:
        raise FlowError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}); start one with `dask scheduler` and "
            "`dask worker`, or leave the address out for a cluster on this machine"
        ) from None
    if not workers:
        raise FlowError(f"the Dask cluster at {address} has no worker; start some with `dask worker {address}`")


def _ray(workers: int, address: str | None) -> TaskRunner[Any]:
    module = importlib.import_module("prefect_ray")
    if address:
        return module.RayTaskRunner(address=address)  # type: ignore[no-any-return]
    return module.RayTaskRunner(init_kwargs={"num_cpus": workers, "include_dashboard": False})  # type: ignore[no-any-return]
