"""Ranks of the own partner: against a loop over all pairs, for spaces that know nothing, and in SQL."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest

from eccl.data import database
from eccl.evaluation import retrieval
from eccl.evaluation.retrieval import ranks_of_own, summarise


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def draw(count: int, noise: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(count, 16))
    return unit(shared + noise * rng.normal(size=shared.shape)), unit(shared + noise * rng.normal(size=shared.shape))


def test_ranks_equal_a_loop_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    ecg, cmr = draw(50, 1.5)
    monkeypatch.setattr(retrieval, "CHUNK", 16)
    forward, backward = ranks_of_own(ecg, cmr)
    similarity = ecg.astype(np.float64) @ cmr.astype(np.float64).T
    for i in range(50):
        assert forward[i] == 1 + sum(similarity[i, j] > similarity[i, i] for j in range(50))
        assert backward[i] == 1 + sum(similarity[j, i] > similarity[i, i] for j in range(50))
    assert forward.max() > 5  # the case is not trivial
    assert (forward != backward).any()


def test_a_perfect_space_finds_everything_and_chance_is_said_beside_it() -> None:
    forward, _ = ranks_of_own(*draw(40, 0.01))
    found = summarise(forward)
    assert found["recall_at_1"] == found["recall_at_10"] == found["median_rank"] == 1
    assert (found["chance_at_1"], found["chance_at_10"]) == pytest.approx((1 / 40, 10 / 40))
    assert found["chance_median_rank"] == 20.5


def test_a_space_that_knows_nothing_ranks_by_chance() -> None:
    rng = np.random.default_rng(2)
    forward, backward = ranks_of_own(unit(rng.normal(size=(2000, 8))), unit(rng.normal(size=(2000, 8))))
    for ranks in (forward, backward):
        assert summarise(ranks)["median_rank"] == pytest.approx(1000.5, rel=0.1)
        assert summarise(ranks)["recall_at_10"] < 0.02


def test_a_collapsed_space_does_not_find_anybody() -> None:
    point = unit(np.random.default_rng(3).normal(size=(1, 256)))
    forward, backward = ranks_of_own(np.repeat(point, 31, axis=0), np.repeat(point, 31, axis=0))
    assert (forward == 16).all()  # the mean of 1 to 31
    assert (backward == 16).all()


def test_a_vector_that_is_not_finite_finds_nothing() -> None:
    ecg, cmr = draw(6, 0.01)
    ecg[2] = np.nan
    forward, backward = ranks_of_own(ecg, cmr)
    assert forward[2] == backward[2] == 6
    assert (np.delete(forward, 2) == 1).all()


def test_nobody_has_no_rank() -> None:
    found = summarise(np.empty(0))
    assert found["n"] == 0
    assert np.isnan(found["median_rank"])


@pytest.fixture
def store() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that the SQL reads, and its macros."""
    connection = database.memory()
    database.create_tables(connection, ["pairs"])
    connection.execute("CREATE SCHEMA features").fetchall()
    for view in ("ecg_projection", "cmr_projection"):
        columns = 'eid BIGINT, instance TINYINT, "split" VARCHAR, run VARCHAR, state VARCHAR, "vector" FLOAT[16]'
        connection.execute(f"CREATE TABLE features.{view} ({columns})").fetchall()
    connection.execute(database.schema_sql("views", "retrieval")).fetchall()
    yield connection
    connection.close()


def test_sql_says_the_same_as_python(store: duckdb.DuckDBPyConnection) -> None:
    ecg, cmr = draw(30, 1.5)
    ecg[5] = ecg[4]  # the same vector twice: ties
    for number in range(30):
        eid, split = 9_000_000 + number // 2, "test" if number < 24 else "val"
        instance = 2 + number % 2
        store.execute("INSERT INTO pairs VALUES (?, ?, ?, 0, 0, NULL, NULL, 0)", [eid, instance, split])
        for view, vector in (("ecg_projection", ecg[number]), ("cmr_projection", cmr[number])):
            for run, state, content in (
                ("align-I21", "current", vector),
                ("align-I21", "stale", -vector),
                ("align-I42", "current", cmr[0]),
            ):
                store.execute(
                    f"INSERT INTO features.{view} VALUES (?, ?, ?, ?, ?, ?)",
                    [eid, instance, split, run, state, content.tolist()],
                )
    found = store.sql("FROM retrieval_scores('align-I21', 'test')").pl()
    for direction, ranks in zip(retrieval.DIRECTIONS, ranks_of_own(ecg[:24], cmr[:24]), strict=True):
        row = found.filter(found["direction"] == direction).row(0, named=True)
        assert {key: value for key, value in row.items() if key != "direction"} == pytest.approx(summarise(ranks))
    ranks = store.sql("SELECT ecg_to_cmr FROM retrieval_ranks('align-I21', 'test') ORDER BY eid, instance").fetchall()
    assert [rank for (rank,) in ranks] == ranks_of_own(ecg[:24], cmr[:24])[0].tolist()
    assert store.sql("FROM retrieval_scores('align-I21', 'train')").fetchall() == []
