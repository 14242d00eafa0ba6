"""Answers of DuckDB as numpy arrays, vectors without a detour over objects."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_ROWS = 16_384
Order = NDArray[np.int64] | None


def to_numpy(relation: duckdb.DuckDBPyRelation, position: str | None = None) -> dict[str, NDArray[Any]]:
    """Columns of an answer as arrays.

    Parameters
    ----------
    position
        Column with the place of every row, counted from 1; it is not returned. Without it rows stay as they come.

    Returns
    -------
    dict
        By column: vectors (n, d) float32, NaN where missing; numbers and truth values in their own type, as float64
        with NaN where something is missing; dates datetime64[D]; everything else as objects.
    """
    reader = relation.to_arrow_reader(_ROWS)
    batches = list(reader)
    table = pa.Table.from_batches(batches, reader.schema)
    order: Order = None
    if position is not None:
        place = np.asarray(table.column(position)) - 1
        order = None if (place == np.arange(len(place))).all() else place
        table = table.drop_columns([position])
    return {name: _column(table.column(name), order) for name in table.column_names}


def _column(column: pa.ChunkedArray, order: Order) -> NDArray[Any]:
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        return _vectors(column, kind.list_size, order)
    if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
        lengths = {len(value) for value in column.to_pylist() if value is not None}
        if len(lengths) == 1:
            size = lengths.pop()
            return _vectors(column.cast(pa.list_(kind.value_type, size)), size, order)
    found = _plain(column)
    if order is not None:
        found[order] = found.copy()
    return found


def _plain(column: pa.ChunkedArray) -> NDArray[Any]:
    kind = column.type
    if pa.types.is_date(kind):
        return np.array(column.to_numpy()).astype("datetime64[D]")
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        numbers = column.cast(pa.float64() if pa.types.is_integer(kind) else pa.int8())
        return np.array(numbers.to_numpy(), dtype=np.float64)
    return np.array(column.to_numpy())


def _vectors(column: pa.ChunkedArray, size: int, order: Order) -> NDArray[np.float32]:
    found = np.empty((len(column), size), dtype=np.float32)
    start = 0
    for chunk in column.chunks:
        stop = start + len(chunk)
        rows = slice(start, stop) if order is None else order[start:stop]
        values = np.asarray(chunk.flatten()).reshape(-1, size)
        if chunk.null_count:
            whole = np.full((len(chunk), size), np.nan, dtype=np.float32)
            whole[np.asarray(chunk.is_valid())] = values
            values = whole
        found[rows] = values
        start = stop
    return found
