"""Answers of DuckDB as numpy arrays, vectors without a detour over objects."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_ROWS = 16_384


def to_numpy(relation: duckdb.DuckDBPyRelation) -> dict[str, NDArray[Any]]:
    """Columns of an answer as arrays.

    Returns
    -------
    dict
        By column: vectors (n, d) float32, NaN where missing; numbers and truth values in their own type, as float64
        with NaN where something is missing; dates datetime64[D]; everything else as objects.
    """
    reader = relation.to_arrow_reader(_ROWS)
    batches = list(reader)
    table = pa.Table.from_batches(batches, reader.schema)
    return {name: _column(table.column(name)) for name in table.column_names}


def _column(column: pa.ChunkedArray) -> NDArray[Any]:
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        return _vectors(column, kind.list_size)
    if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
        lengths = {len(value) for value in column.to_pylist() if value is not None}
        if len(lengths) == 1:
            return _vectors(column.cast(pa.list_(kind.value_type, lengths.pop())), None)
    if pa.types.is_date(kind):
        return np.asarray(column.to_numpy()).astype("datetime64[D]")
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return np.asarray(
            column.cast(pa.float64() if pa.types.is_integer(kind) else pa.int8()).to_numpy(), dtype=np.float64
        )
    return np.asarray(column.to_numpy())


def _vectors(column: pa.ChunkedArray, length: int | None) -> NDArray[np.float32]:
    size = length or column.type.list_size
    found = np.empty((len(column), size), dtype=np.float32)
    start = 0
    for chunk in column.chunks:
        stop = start + len(chunk)
        if chunk.null_count:
            found[start:stop] = np.nan
            found[start:stop][np.asarray(chunk.is_valid())] = np.asarray(chunk.flatten()).reshape(-1, size)
        else:
            found[start:stop] = np.asarray(chunk.flatten()).reshape(-1, size)
        start = stop
    return found
