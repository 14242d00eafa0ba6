"""The same bytes by processes, by a real Dask cluster, and after a worker was killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eccl.data.lock import writing
from eccl.errors import FlowError, LockedError
from eccl.ingest.plan import Batch
from eccl.workspace import Workspace
from flows.support import mapping
from flows.support.mapping import Fenced, mapped
from flows.support.parameters import IngestParameters
from tests.flows.server import Server
from tests.support.workspaces import tree_of

pytestmark = pytest.mark.slow

BATCHES = [Batch("ecg", shard, ()) for shard in range(3)]


def succeed(batch: Batch) -> Any:
    return batch  # the map does not read results


def die_until(allowed: Path, batch: Batch) -> Any:
    """Kill the worker that runs this: once, or always where the file cannot be created."""
    if batch.shard == 1 and not allowed.exists():
        if allowed.parent.exists():
            allowed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return succeed(batch)


def run_map(work: Callable[[Batch], Any], state: Path, **where: Any) -> list[int]:
    from prefect import flow

    ingest: Any = SimpleNamespace(
        work=work, batches=BATCHES, workspace=SimpleNamespace(state=state), fitting=lambda workers: workers
    )
    parameters = IngestParameters(workspace=state, raw="raw", **where)

    @flow(name="map")
    def over() -> list[int]:
        with writing(state, "ingest"), mapped(ingest, parameters) as done:
            return sorted(result.shard for result in done)

    return over()


@pytest.fixture(scope="module")
def cluster(prefect_server: Server) -> Iterator[Any]:
    """A Dask cluster of two worker processes, as a user starts one."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as one,
        distributed.Client(one, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=1200)
        yield client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "ingest_batch", mapping.ingest_batch.with_options(retries=1, retry_delay_seconds=0.1))


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same_bytes_also_where_a_worker_is_killed(
    raw_cohort: Path, new_workspace: Callable[[str], Workspace], ingested: Workspace, cluster: Any
) -> None:
    from flows.ingest import ingest_files

    place = new_workspace("workspace")
    before = cluster.run(os.getpid)
    victim = min(before.values())
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 1200
        while not list(place.tables.glob("*/part-*.parquet")) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(victim, signal.SIGKILL)
        killed.append(len(list(place.tables.glob("*/part-*.parquet"))))

    killer = threading.Thread(target=kill)
    killer.start()
    report = ingest_files(place.root, raw_cohort, runner="dask", address=cluster.scheduler.address)
    killer.join()
    parts = len(list(place.tables.glob("*/part-*.parquet")))
    assert 0 < killed[0] < parts  # in the middle
    assert victim not in cluster.run(os.getpid).values()
    assert report.is_changed
    assert tree_of(place.data) == tree_of(ingested.data)
    assert not ingest_files(place.root, raw_cohort, runner="dask", address=cluster.scheduler.address).is_changed


@pytest.mark.slow
def test_a_cluster_is_made_where_none_is_given(prefect_server: Server, tmp_path: Path) -> None:
    assert run_map(succeed, tmp_path, runner="dask", workers=2) == [0, 1, 2]


@pytest.mark.slow
def test_a_batch_that_kills_every_dask_worker_ends_in_a_clear_error(cluster: Any, tmp_path: Path) -> None:
    cluster.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    work = partial(die_until, tmp_path / "nowhere" / "flag")
    with pytest.raises(FlowError, match="a worker died each time"):
        run_map(work, tmp_path, runner="dask", address=cluster.scheduler.address)
    cluster.wait_for_workers(2, timeout=1200)


def test_a_process_that_dies_is_replaced_and_its_batch_read_again(
    prefect_server: Server, tmp_path: Path, impatient: None
) -> None:
    assert run_map(partial(die_until, tmp_path / "flag"), tmp_path, workers=2) == [0, 1, 2]
    assert (tmp_path / "flag").exists()


def test_a_batch_that_kills_every_process_ends_in_a_clear_error(
    prefect_server: Server, tmp_path: Path, impatient: None
) -> None:
    with pytest.raises(FlowError, match=r"a worker died each time .*killed for memory"):
        run_map(partial(die_until, tmp_path / "nowhere" / "flag"), tmp_path, workers=1)


def test_a_batch_of_an_ingest_that_ended_is_not_begun(tmp_path: Path) -> None:
    with writing(tmp_path, "ingest"):
        fenced = Fenced(succeed, tmp_path, (tmp_path / "write.lock").read_text())
        assert fenced(BATCHES[0]).shard == 0
    with pytest.raises(LockedError, match="has ended"):
        fenced(BATCHES[0])
    with writing(tmp_path, "ingest"), pytest.raises(LockedError, match="has ended"):
        fenced(BATCHES[0])


def test_two_batches_of_one_shard_are_never_written_at_the_same_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(batch: Batch) -> Any:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.2)
        inside.pop()
        return succeed(batch)

    with writing(tmp_path, "ingest"):
        fenced = Fenced(work, tmp_path, (tmp_path / "write.lock").read_text())
        threads = [threading.Thread(target=fenced, args=(BATCHES[0],)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == [1, 1, 1]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"runner": "dask", "address": "tcp://127.0.0.1:9"}, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ({"runner": "ray"}, r"pip install 'eccl\[ray\]'"),
    ],
)
def test_a_cluster_that_does_not_exist_is_an_error(
    where: dict[str, Any], words: str, prefect_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where["runner"] == "ray" and find_spec("prefect_ray"):
        pytest.skip("Ray is installed here")
    monkeypatch.setattr(mapping, "CONNECT_S", 2.0)
    with pytest.raises(FlowError, match=words):
        run_map(succeed, tmp_path, **where)
