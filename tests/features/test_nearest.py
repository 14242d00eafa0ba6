"""Neighbours are exact, in Python and in SQL."""

from __future__ import annotations

import numpy as np
import pytest

from eccl.errors import FeatureError
from eccl.features.nearest import Matrix, top
from eccl.features.store import FeatureStore

RNG = np.random.default_rng(5)


def test_both_metrics_agree_with_sorting_everything() -> None:
    vectors = RNG.normal(size=(300, 16)).astype(np.float32)
    scale = 1 / np.linalg.norm(vectors, axis=1)
    matrix = Matrix(np.arange(300), np.full(300, 2), np.full(300, "train", object), vectors, scale.astype(np.float32))
    query = RNG.normal(size=16).astype(np.float32)
    inner = vectors.astype(np.float64) @ query.astype(np.float64)
    for metric, exact in (("inner_product", inner), ("cosine", inner * scale / np.linalg.norm(query))):
        for k in (1, 10, 299, 300, 999):
            rows, similarity = top(matrix, query, k, metric)  # type: ignore[arg-type]
            assert rows.tolist() == np.argsort(-exact)[:k].tolist()
            np.testing.assert_allclose(similarity, np.sort(exact)[::-1][:k], rtol=1e-4, atol=1e-5)


def test_ties_are_settled_by_row() -> None:
    vectors = np.ones((6, 2), dtype=np.float32)
    matrix = Matrix(np.arange(6), np.full(6, 2), np.full(6, "train", object), vectors, np.full(6, 2**-0.5, np.float32))
    assert top(matrix, vectors[0], 3, "cosine")[0].tolist() == [0, 1, 2]
    allowed = np.array([False, True, False, True, False, False])
    assert top(matrix, vectors[0], 3, "cosine", allowed)[0].tolist() == [1, 3]
    assert len(top(matrix, vectors[0], 3, "cosine", np.zeros(6, bool))[0]) == 0


def test_sql_and_python_name_the_same_neighbours(store: FeatureStore) -> None:
    eid, instance = store.sql(
        "SELECT eid, instance FROM features.ecg_projection_latest ORDER BY ALL LIMIT 1"
    ).fetchall()[0]
    python = store.find_nearest(eid, instance, "ecg_projection", 5).fetchall()
    sql = store.sql(f"FROM nearest('ecg_projection', {eid}, {instance}, 5)").fetchall()
    assert [row[1:4] for row in python] == [row[:3] for row in sql]
    assert [row[4] for row in python] == pytest.approx([row[3] for row in sql], abs=1e-6)
    assert (eid, instance) not in [row[1:3] for row in python]


def test_an_ecg_can_look_for_its_cine_with_a_vector(store: FeatureStore) -> None:
    query = "SELECT vector FROM features.cmr_projection_latest ORDER BY eid, instance LIMIT 1"
    vector = np.array(store.sql(query).fetchall()[0][0], dtype=np.float32)
    best = store.find_nearest(vector=vector, among="cmr_projection", k=1).fetchall()[0]
    first = store.sql(
        "SELECT eid, instance FROM features.cmr_projection_latest ORDER BY eid, instance LIMIT 1"
    ).fetchall()[0]
    assert best[1:3] == first
    assert best[4] == pytest.approx(1.0, abs=1e-5)
    assert store.sql(f"SELECT eid, instance FROM nearest_vector('cmr_projection', ({query}), 1)").fetchall() == [first]


def test_conditions_reach_sex_split_and_labels(store: FeatureStore) -> None:
    eid, instance = store.sql(
        "SELECT eid, instance FROM features.ecg_projection_latest ORDER BY ALL LIMIT 1"
    ).fetchall()[0]
    where = "sex = 'F' AND split <> 'test' AND EXISTS (FROM labels l WHERE l.eid = participants.eid AND code = 'I50')"
    found = store.find_nearest(eid, instance, k=100, where=where, labels=["I50:ever", "I21:prevalent"]).pl()
    assert found.columns == ["rank", "eid", "instance", "split", "similarity", "label_I50_ever", "label_I21_prevalent"]
    allowed = store.sql(
        "SELECT f.eid, f.instance FROM features.ecg_projection_latest f JOIN participants USING (eid) JOIN splits s USING (eid) "
        f"WHERE sex = 'F' AND s.split <> 'test' AND (f.eid, f.instance) <> ({eid}, {instance}) "
        "AND eid IN (SELECT eid FROM labels WHERE code = 'I50') ORDER BY ALL"
    ).fetchall()
    assert sorted(found.select("eid", "instance").rows()) == allowed
    assert found["label_I50_ever"].null_count() == 0


def test_errors_name_what_cannot_be_searched(store: FeatureStore) -> None:
    with pytest.raises(FeatureError, match="no vectors"):
        store.find_nearest(1, 2, "trait_prediction")
    with pytest.raises(FeatureError, match="no such participant"):
        store.find_nearest(1, 2)
    with pytest.raises(FeatureError, match="does not fit"):
        store.find_nearest(vector=np.ones(3, np.float32))
    with pytest.raises(FeatureError, match="have no common space"):
        store.find_nearest(9_000_001, 2, among="cmr_embedding")
    with pytest.raises(FeatureError, match="give a visit"):
        store.find_nearest()
    with pytest.raises(FeatureError, match="metric is one of"):
        store.find_nearest(9_000_001, 2, metric="euclid")  # type: ignore[arg-type]
    with pytest.raises(FeatureError, match="k at least 1"):
        store.find_nearest(9_000_001, 2, k=0)
    with pytest.raises(FeatureError, match="no labels of I99"):
        store.find_nearest(vector=np.ones(8, np.float32), labels=["I99:ever"])


def test_macros_return_no_row_for_an_unknown_visit(store: FeatureStore) -> None:
    assert store.sql("FROM nearest('ecg_projection', 1, 2, 5)").fetchall() == []
    eid, instance = store.sql(
        "SELECT eid, instance FROM features.ecg_projection_latest ORDER BY ALL LIMIT 1"
    ).fetchall()[0]
    cosine = store.sql(f"SELECT eid, instance FROM nearest('ecg_projection', {eid}, {instance}, 5)").fetchall()
    inner = store.sql(
        f"SELECT eid, instance FROM nearest_inner_product('ecg_projection', {eid}, {instance}, 5)"
    ).fetchall()
    assert cosine == inner  # vectors of length 1
