"""Rows of the feature views: what a run says of visits, with the keys every view has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eccl.features.files import write_features
from eccl.training.inputs.targets import TraitScaler
from eccl.training.inputs.visits import Visits
from eccl.training.runs import RunIdentity


def vector_rows(
    visits: Visits, identity: RunIdentity, vectors: NDArray[Any], augmentation: int | None = None, key: str = ""
) -> pa.Table:
    """Rows with a ``vector``: (visits, d) float32 as fixed-size lists.

    Parameters
    ----------
    augmentation
        Number of the augmented view, for the teacher cache.
    key
        Content id of the teacher cache.
    """
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns = {**_keys(visits, identity), "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    if augmentation is not None:
        columns["augmentation"] = pa.array(np.full(len(visits), augmentation), pa.int16())
        columns["teacher_key"] = pa.array([key] * len(visits), pa.string())
    return pa.table(columns)


def trait_rows(visits: Visits, identity: RunIdentity, standardised: NDArray[Any], scaler: TraitScaler) -> pa.Table:
    """Rows with one predicted trait each, in the trait's unit; traits without training values are left out."""
    values = scaler.from_standard(standardised)
    learned = np.flatnonzero(scaler.is_learned())
    field_ids = np.array(scaler.field_ids, dtype=np.int32)[learned]
    every = np.repeat(np.arange(len(visits)), len(learned))
    columns = _keys(visits.take(every), identity)
    columns["field_id"] = pa.array(np.tile(field_ids, len(visits)), pa.int32())
    columns["value"] = pa.array(values[:, learned].reshape(-1), pa.float64())
    return pa.table(columns)


def disease_rows(visits: Visits, identity: RunIdentity, logit: NDArray[Any], code: str) -> pa.Table:
    """Rows with a disease's logit and probability, both in float64."""
    wide = logit.astype(np.float64).reshape(-1)
    columns = _keys(visits, identity)
    columns["code"] = pa.array([code] * len(visits), pa.string())
    columns["probability"] = pa.array(0.5 * (1 + np.tanh(wide / 2)), pa.float64())  # never overflows
    columns["logit"] = pa.array(wide, pa.float64())
    return pa.table(columns)


def vectors_of(table: pa.Table) -> NDArray[np.float32]:
    """The ``vector`` column as (rows, d) float32."""
    column = table.column("vector").combine_chunks()
    flat: NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(len(table), -1)


def write_tables(features: Path, run: str, tables: Mapping[str, pa.Table]) -> None:
    """Write every view of one run, as its stage does."""
    for view, table in tables.items():
        write_features(features, view, run, table)


def _keys(visits: Visits, identity: RunIdentity) -> dict[str, pa.Array]:
    count = len(visits)
    return {
        "eid": pa.array(visits.eid, pa.int64()),
        "instance": pa.array(visits.instance, pa.int8()),
        "split": pa.array(visits.split.tolist(), pa.string()),
        "run_id": pa.array([identity.run_id] * count, pa.string()),
        "data_version": pa.array([identity.data_version] * count, pa.string()),
        "array_row": pa.array(visits.row, pa.int64()),
    }
