"""The feature store at UK Biobank's size against the usual ways.

Feast and FAISS are peers that do not share an environment with this project: ``$ECCL_PEERS_PYTHON`` names the Python of
one that has ``feast`` and ``faiss-cpu``; without it their rows are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import eccl
from benchmarks.big_store import FIRST, TASKS, VISITS, add_run, copy_with_sync, filled, make_workspace
from benchmarks.measure import Row, median_pair, median_seconds
from eccl.data import database
from eccl.features.store import FeatureStore
from eccl.publishing.publish import publish
from eccl.workspace import Workspace

PEERS = os.environ.get("ECCL_PEERS_PYTHON")
RUNS = 20
ENTITIES, EVENTS = 100_000, 2_000_000


def measure(visits: int = VISITS, events: int = EVENTS, entities: int = ENTITIES) -> list[Row]:
    """Measure all rows of this suite."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rng = np.random.default_rng(0)
        workspace = _workspace(root / "store", visits)
        for task in TASKS:
            views = {
                "ecg_embedding": {"vector": rng.normal(size=(visits, 768)).astype(np.float32)},
                "ecg_projection": {"vector": _unit(rng.normal(size=(visits, 256)).astype(np.float32))},
            }
            add_run(workspace, f"align-{task}", views)
        rows = [_publication(workspace, root, visits)]
        with eccl.open(workspace.root) as store:
            rows += [*_nearest(store, root), *_lineage(store), _to_numpy(store, root)]
        return [*rows, *_joins(root, visits, events, entities)]


def _workspace(folder: Path, visits: int) -> Workspace:
    folder.mkdir()
    return make_workspace(folder, visits)


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _publication(workspace: Workspace, root: Path, visits: int) -> Row:
    files = sorted(workspace.features.rglob("*.parquet"))
    target = root / "copies"
    target.mkdir()

    def again() -> None:
        files[0].touch()  # something new to publish
        publish(workspace)

    ours, theirs = median_pair(again, lambda: copy_with_sync(files, target), 3)
    size = sum(file.stat().st_size for file in files)
    config = f"{visits} visits x (768 + 256 floats) x {len(TASKS)} tasks, {size / 1e6:.0f} MB"
    return Row("publish", "eccl publish", "read, write and fsync the same bytes", ours, theirs, "s", config)


def _nearest(store: FeatureStore, root: Path) -> list[Row]:
    matrix, _ = store._matrix("ecg_projection", None)
    vectors = matrix.vectors
    query = vectors[17]

    def ours() -> Any:
        return store.find_nearest(vector=query, k=10, metric="inner_product", labels=[]).fetchall()

    def numpy_way() -> Any:
        similarity = vectors @ query
        best = np.argpartition(-similarity, 10)[:10]
        return best[np.argsort(-similarity[best])]

    exact = [FIRST + int(row) for row in numpy_way()]
    assert [row[1] for row in ours()] == exact
    size = f"{len(vectors)} x {vectors.shape[1]}"
    peer = "numpy matmul + argpartition"
    where = "sex = 'F' AND split <> 'train'"

    def filtered() -> Any:
        return store.find_nearest(vector=query, k=10, where=where, labels=[]).fetchall()

    alone_s, numpy_s = _search(matrix, query, numpy_way)
    rows = [
        Row("top 10, search alone", "store.nearest.top", peer, alone_s, numpy_s, "s", size),
        Row("top 10 as a relation", "store.find_nearest", peer, *median_pair(ours, numpy_way, 15), "s", size),
        Row(
            "top 10, filtered by SQL", "store.find_nearest(where)", "numpy matmul, unfiltered",
            *median_pair(filtered, numpy_way, 15), "s", size,
        ),
        *_nearest_in_sql(store, vectors, where, numpy_way, (peer, "s", size)),
    ]  # fmt: skip
    if PEERS:
        np.save(root / "vectors.npy", vectors)
        found = _peer("nearest", {"vectors": str(root / "vectors.npy"), "row": 17})
        assert [FIRST + row for row in found["rows"]] == exact
        ours_s, _ = _search(matrix, query, numpy_way)
        rows.append(
            Row("top 10, search alone", "store.nearest.top", "faiss.IndexFlatIP", ours_s, found["seconds"], "s", size)
        )
    return rows


def _nearest_in_sql(
    store: FeatureStore,
    vectors: Any,
    where: str,
    reference: Callable[[], Any],
    about: tuple[str, str, str],
) -> Iterator[Row]:
    """The macro, plain and filtered; `about` is the reference's name, unit and size."""
    peer, unit, size = about
    eid = FIRST + 17
    plain = f"FROM nearest('ecg_projection', {eid}, 2, 10)"
    joined = (
        f"SELECT n.* FROM nearest('ecg_projection', {eid}, 2, {len(vectors)}) n JOIN participants USING (eid) "
        f"WHERE {where} ORDER BY similarity DESC LIMIT 10"
    )
    for name, text in (("top 10 in SQL", plain), ("top 10 in SQL, filtered", joined)):
        times = median_pair(lambda text=text: store.sql(text).fetchall(), reference, 9)
        yield Row(name, "macro nearest", peer, *times, unit, size)


def _search(matrix: Any, query: Any, reference: Callable[[], Any]) -> tuple[float, float]:
    from eccl.features.nearest import top

    return median_pair(lambda: top(matrix, query, 10, "inner_product"), reference, 31)


def _lineage(store: FeatureStore) -> list[Row]:
    def every() -> Any:
        return store.sql(
            "SELECT count(*), bit_xor(hash(raw_sha256, weights_sha256, dvc_md5, gate_sha256, params_sha256)) FROM lineage"
        ).fetchall()

    total = every()[0][0]
    one = median_seconds(lambda: store.lineage(FIRST + 17, 2), 15)
    return [
        Row("lineage of one visit", "store.lineage", "limit of 50 ms", one, 0.05, "s", f"of {total} rows"),
        Row(
            "lineage of every row", "view lineage", "limit of 1 s", median_seconds(every, 5), 1.0, "s", f"{total} rows"
        ),
    ]


def _to_numpy(store: FeatureStore, root: Path) -> Row:
    train = "SELECT eid, instance FROM pairs WHERE \"split\" = 'train' ORDER BY eid, instance"

    def ours() -> dict[str, Any]:
        return store.get_historical_features(train, ["ecg_embedding"], labels=["I50:ever"]).numpy()

    arrays = ours()
    np.save(root / "x.npy", arrays["ecg_embedding"])
    np.save(root / "y.npy", arrays["label_I50_ever"])
    times = median_pair(ours, lambda: (np.load(root / "x.npy"), np.load(root / "y.npy")), 7)
    return Row(
        "a split's embeddings and labels",
        "get_historical_features().numpy()",
        "np.load of the same arrays",
        *times,
        "s",
        f"{len(arrays['eid'])} x 768",
    )


def _joins(root: Path, visits: int, events: int, entities: int) -> list[Row]:
    workspace = _workspace(root / "joins", visits)
    rng = np.random.default_rng(2)
    history = {
        "eid": rng.integers(FIRST, FIRST + visits, events),
        "code": ["I489"] * events,
        "date": np.datetime64("2005-01-01") + rng.integers(0, 7000, events),
        "date_status": ["known"] * events,
        "array_index": np.arange(events) % 30_000,
    }
    database.write_table(workspace.data, "diagnoses", filled("diagnoses", history))
    for number in range(RUNS):
        own = {"code": ["I50"] * visits, "probability": rng.random(visits), "logit": rng.normal(size=visits)}
        add_run(workspace, f"align-{number:02d}", {"disease_prediction": own})
    publish(workspace)
    with eccl.open(workspace.root) as store:
        return [*_visits_by_views(store, root), _entities_by_events(store, root, visits, entities)] if PEERS else []


def _visits_by_views(store: FeatureStore, root: Path) -> list[Row]:
    """One question in two ways: at the visits themselves, and at dates that equal the visits'."""
    features = [f"disease_prediction:I50@align-{number:02d}" for number in range(RUNS)]
    entities = store.sql("SELECT eid, instance, visit_date AS event_timestamp FROM visits ORDER BY eid").pl()

    def ours(as_of: str) -> pl.DataFrame:
        frame: pl.DataFrame = store.get_historical_features(entities, features, as_of=as_of).pl()
        return frame

    folder = root / "views"
    folder.mkdir()
    stamp = pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))
    entities.select("eid", stamp).write_parquet(folder / "entities.parquet")
    for number in range(RUNS):
        rows = store.sql(
            f"SELECT f.eid, v.visit_date AS event_timestamp, f.probability AS p{number} FROM features.disease_prediction f "
            f"JOIN visits v USING (eid, instance) WHERE run = 'align-{number:02d}'"
        ).pl()
        rows.with_columns(stamp).write_parquet(folder / f"view{number}.parquet")
    fields = {f"view{number}": f"p{number}" for number in range(RUNS)}
    found = _peer("join", {"folder": str(folder), "views": fields})
    theirs = pl.read_parquet(found["answer"]).sort("eid")
    measured = []
    for as_of in ("visit", "event_timestamp"):
        mine = ours(as_of).sort("eid")
        for number in range(RUNS):
            np.testing.assert_array_equal(mine[f"disease_prediction_I50@align-{number:02d}"], theirs[f"p{number}"])
        measured.append(
            Row(
                f"point-in-time join, visits x views, as of {'the visit' if as_of == 'visit' else 'a date'}",
                "get_historical_features",
                f"feast {found['version']}, file store",
                median_seconds(lambda as_of=as_of: ours(as_of), 5),  # type: ignore[misc]
                found["seconds"],
                "s",
                f"{entities.height} visits x {RUNS} views",
            )
        )
    return measured


def _entities_by_events(store: FeatureStore, root: Path, visits: int, wanted: int) -> Row:
    rng = np.random.default_rng(3)
    drawn = pl.DataFrame(
        {
            "eid": rng.integers(FIRST, FIRST + visits, wanted),
            "event_timestamp": np.datetime64("2015-01-01") + rng.integers(0, 2500, wanted),
        }
    )
    entities = drawn.unique(maintain_order=True).with_columns(pl.col("event_timestamp").cast(pl.Date))

    def ours() -> pl.DataFrame:
        frame: pl.DataFrame = store.get_historical_features(
            entities, ["diagnosis_history:I48"], as_of="event_timestamp"
        ).pl()
        return frame

    folder = root / "events"
    folder.mkdir()
    stamp = pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))
    entities.with_columns(stamp).write_parquet(folder / "entities.parquet")
    history = store.sql("SELECT eid, date AS event_timestamp, date AS last FROM features.diagnosis_history").pl()
    history.with_columns(stamp, pl.col("last").cast(pl.Datetime("us", "UTC"))).write_parquet(folder / "events.parquet")
    found = _peer("join", {"folder": str(folder), "views": {"events": "last"}})
    keys = ["eid", "event_timestamp"]
    theirs = pl.read_parquet(found["answer"]).with_columns(pl.col("event_timestamp", "last").cast(pl.Date)).sort(keys)
    assert ours().sort(keys)["diagnosis_history_I48"].equals(theirs["last"].alias("diagnosis_history_I48"))
    return Row(
        "point-in-time join, dates x events",
        "get_historical_features",
        f"feast {found['version']}, file store",
        median_seconds(ours, 5),
        found["seconds"],
        "s",
        f"{entities.height:,} entities x {history.height:,} events",
    )


def _peer(what: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run one peer in its own environment; its answer is JSON on the last line."""
    script = Path(__file__).with_name("peers.py")
    start = time.perf_counter()
    done = subprocess.run(
        [str(PEERS), str(script), what, json.dumps(options)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        raise RuntimeError(f"peer {what} failed after {time.perf_counter() - start:.0f} s")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
