"""Nearest neighbours, exact: one matrix product over a view's vectors, kept in memory between searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eccl.errors import FeatureError
from eccl.features.historical import to_numpy
from eccl.features.references import LabelColumn
from eccl.features.views import declared_view

Metric = Literal["cosine", "inner_product"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Current vectors of one view and run.

    Parameters
    ----------
    eid, instance
        (n,) int64, sorted.
    split
        (n,) text: split of the visit when the model was trained.
    vectors
        (n, d) float32.
    scale
        (n,) float32: 1 / length of each vector.
    """

    eid: NDArray[np.int64]
    instance: NDArray[np.int64]
    split: NDArray[np.object_]
    vectors: NDArray[np.float32]
    scale: NDArray[np.float32]

    def position(self, eid: int, instance: int) -> int | None:
        """Row of a visit; None if it has no vector."""
        found = np.flatnonzero((self.eid == eid) & (self.instance == instance))
        return int(found[0]) if len(found) else None


def load_matrix(connection: duckdb.DuckDBPyConnection, view: str, run: str | None) -> tuple[Matrix, str]:
    """Read a view's current vectors into memory; returns the matrix and the run it is of.

    Raises
    ------
    FeatureError
        The view holds no vectors, or the run has no current ones.
    """
    declared = declared_view(view)
    if not declared.is_vector or declared.key is not None:
        raise FeatureError(
            f"{view} has no vectors to compare; ecg_embedding, cmr_embedding, ecg_projection and cmr_projection have"
        )
    chosen = run or str(declared.default_run)
    columns = to_numpy(
        connection.sql(
            f"SELECT eid, instance, split, vector FROM features.{view} WHERE run = ? AND state = 'current' ORDER BY eid, instance",
            params=[chosen],
        )
    )
    if not len(columns["eid"]):
        raise FeatureError(
            f"{view}@{chosen} has no current rows in this store; train (`eccl train`) or backfill the run "
            f"(`eccl materialize {chosen}`), then `eccl publish`"
        )
    vectors = columns["vector"]
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return Matrix(columns["eid"], columns["instance"].astype(np.int64), columns["split"], vectors, scale), chosen


def as_query(vector: NDArray[np.floating[Any]], searched: Matrix, view: str) -> NDArray[np.float32]:
    """A vector as (d,) float32, if the searched view has that many dimensions.

    Raises
    ------
    FeatureError
        It has another number.
    """
    query = np.ascontiguousarray(vector, dtype=np.float32)
    if query.shape != searched.vectors.shape[1:]:
        raise FeatureError(
            f"a vector of shape {query.shape} does not fit {view}: expected {searched.vectors.shape[1:]}"
        )
    return query


def top(
    matrix: Matrix, query: NDArray[np.float32], k: int, metric: Metric, allowed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and similarities of the k nearest, best first; equal ones in the order of the rows.

    Parameters
    ----------
    query
        (d,) float32.
    allowed
        (n,) truth value per row; None allows all.
    """
    similarity = matrix.vectors @ query
    if metric == "cosine":
        size = float(np.linalg.norm(query))
        similarity = similarity * matrix.scale * np.float32(1 / size if size else 0)
    if allowed is not None:
        similarity = np.where(allowed, similarity, -np.inf)
        k = min(k, int(allowed.sum()))
    k = min(k, len(similarity))
    if k == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    # All that are as near as the k-th, so that ties are ordered by row.
    border = np.partition(similarity, -k)[-k]
    near = np.flatnonzero(similarity >= border)
    order = near[np.lexsort((near, -similarity[near]))][:k]
    return order, similarity[order]


def allowed_rows(connection: duckdb.DuckDBPyConnection, matrix: Matrix, where: str | None) -> NDArray[np.bool_] | None:
    """Rows that satisfy a condition over visits, participants and splits.

    Parameters
    ----------
    where
        SQL over the columns of ``visits``, ``participants`` and ``splits``; subqueries reach labels and everything else.
    """
    if not where:
        return None
    keys = to_numpy(
        connection.sql(
            "SELECT eid, instance FROM visits JOIN participants USING (eid) JOIN splits USING (eid) "
            f"WHERE ({where}) ORDER BY eid, instance"
        )
    )
    wanted = keys["eid"] * 16 + keys["instance"]
    return np.isin(matrix.eid * 16 + matrix.instance, wanted)


def neighbours(
    connection: duckdb.DuckDBPyConnection,
    matrix: Matrix,
    found: tuple[NDArray[np.int64], NDArray[np.float32]],
    labels: Sequence[LabelColumn],
) -> duckdb.DuckDBPyRelation:
    """The neighbours as a relation: rank, key, split, similarity and labels."""
    rows, similarity = found
    table = pa.table(
        {
            "rank": np.arange(1, len(rows) + 1),
            "eid": matrix.eid[rows],
            "instance": matrix.instance[rows].astype(np.int8),
            "split": pa.array(matrix.split[rows], pa.string()),
            "similarity": similarity,
        }
    )
    if not labels:
        return connection.from_arrow(table)
    selected = "".join(f', l{i}."value" AS {label.name}' for i, label in enumerate(labels))
    joins = " ".join(label.join_to("n", f"l{i}") for i, label in enumerate(labels))
    relation = connection.from_arrow(table).query("n", f"SELECT n.*{selected} FROM n {joins} ORDER BY n.rank")
    assert relation is not None  # a SELECT
    return relation
