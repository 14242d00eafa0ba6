"""Point-in-time features, and the coverage of every column.

Every requested view becomes one join. At a visit (``as_of="visit"``) that is the visit's own row; at a date it is the
latest row that was known by then. A row whose run does not cover the data version of the store is stale: it is an
error, or returned with its state if the caller includes stale rows.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal, get_args

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eccl.errors import FeatureError
from eccl.features.joins import Group, group_columns
from eccl.features.references import Catalog, LabelColumn, parse_feature, parse_label
from eccl.features.views import identifier, quote

Stale = Literal["refuse", "include"]
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_COUNTER = itertools.count()
_ROWS = 16_384
Order = NDArray[np.int64] | None


class HistoricalFeatures:
    """Features that are computed when they are read.

    Examples
    --------
    >>> found = store.get_historical_features(features=["ecg_embedding", "trait:LVEF"], labels=["I50:prevalent"])
    >>> found.coverage.pl()
    >>> found.numpy()["ecg_embedding"].shape
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, query: str, coverage: str, columns: Sequence[str]
    ) -> None:
        self._connection = connection
        self._query = query
        self._coverage = coverage
        self.columns = tuple(columns)

    @property
    def query(self) -> str:
        """SQL of the result, in the order of the entities."""
        return f"SELECT * EXCLUDE (__position) FROM ({self._query}) ORDER BY __position"

    @property
    def relation(self) -> duckdb.DuckDBPyRelation:
        """The result as a lazy relation."""
        return self._connection.sql(self.query)

    @property
    def coverage(self) -> duckdb.DuckDBPyRelation:
        """Per column and data version: entities with a value, with a stale one, without."""
        return self._connection.sql(self._coverage)

    def pl(self) -> Any:
        """The result as a polars frame."""
        return self.relation.pl()

    def arrow(self) -> pa.Table:
        """The result as an Arrow table."""
        return self.relation.to_arrow_table()

    def df(self) -> Any:
        """The result as a pandas frame."""
        return self.relation.df()

    def numpy(self) -> dict[str, NDArray[Any]]:
        """The result as arrays by column: vectors (n, d) float32, numbers with NaN for missing, texts as objects."""
        # Sorting rows with long vectors is slow; every row is written to its position instead.
        return to_numpy(self._connection.sql(self._query), "__position")


def get_historical_features(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    entities: Any,
    features: Sequence[str],
    *,
    labels: Sequence[str],
    as_of: str | date,
    max_age_days: int | None,
    stale: Stale,
) -> HistoricalFeatures:
    """Build the point-in-time join; see :meth:`eccl.FeatureStore.get_historical_features`."""
    if isinstance(features, str) or isinstance(labels, str):
        raise FeatureError("features and labels are lists of references; write ['ecg_embedding'], not 'ecg_embedding'")
    if stale not in get_args(Stale):
        raise FeatureError(f"stale is one of {', '.join(get_args(Stale))}; found {stale!r}")
    names, entity = _entities(connection, entities, as_of)
    parsed = [column for reference in features for column in parse_feature(reference, catalog.keys)]
    _require_unique(column.name for column in parsed)
    wanted = [parse_label(reference, catalog.codes) for reference in labels]
    at_visit = as_of == "visit"
    if wanted and not at_visit:
        raise FeatureError("labels belong to visits; use them with as_of='visit'")
    groups = group_columns(
        catalog, parsed, at_visit=at_visit and max_age_days is None, include_stale=stale == "include"
    )
    for group in groups:
        _check_runs(catalog, group, refuse_stale=stale == "refuse")
    named = [one for group in groups for one in group.outputs(max_age_days).items()]
    if stale == "include":
        named += [(f"{g.name}_state", f"{g.alias}.state") for g in groups if g.view.source is None]
    named += [(label.name, f'l{i}."value"') for i, label in enumerate(wanted)]
    _require_unique([*names, *(name for name, _ in named)])
    outputs = dict(named)
    joins = [*(group.join() for group in groups), *(label.join_to("e", f"l{i}") for i, label in enumerate(wanted))]
    kept = [f"e.{identifier(name)}" for name in names]
    select = ", ".join([*kept, *(f"{sql} AS {identifier(name)}" for name, sql in outputs.items())])
    query = f"WITH e AS ({entity}) SELECT {select}, e.__position FROM e {' '.join(joins)}"
    coverage = _coverage_sql(entity, groups, wanted, max_age_days)
    return HistoricalFeatures(connection, query, coverage, [*names, *outputs])


def _entities(connection: duckdb.DuckDBPyConnection, entities: Any, as_of: str | date) -> tuple[list[str], str]:
    """Names of the entities' own columns, and the SELECT that adds their position and time to them."""
    source = 'SELECT eid, instance, "split" FROM pairs ORDER BY eid, instance'
    if isinstance(entities, list | tuple):
        raise FeatureError("entities are a frame, a relation or SQL; found a list; write features=[...] for features")
    if isinstance(entities, str):
        source = entities
    elif entities is not None:
        name = f"entities_{next(_COUNTER)}"
        # A relation of another connection, or a frame: all of them convert to Arrow.
        connection.register(name, entities.to_arrow_table() if hasattr(entities, "to_arrow_table") else entities)
        source = f"FROM {name}"
    names = [str(row[0]) for row in connection.execute(f"DESCRIBE {source}").fetchall()]
    needed = {"eid", "instance"} if as_of == "visit" else {"eid"}
    if not needed <= set(names):
        raise FeatureError(f"entities need the columns {', '.join(sorted(needed))}; found {', '.join(names)}")
    numbered = f"SELECT *, row_number() OVER () AS __position FROM ({source})"
    if as_of == "visit":
        return names, f"SELECT n.*, v.visit_date AS __at FROM ({numbered}) n LEFT JOIN visits v USING (eid, instance)"
    if isinstance(as_of, date) or _ISO_DATE.fullmatch(as_of):
        return names, f"SELECT *, DATE '{_to_date(as_of)}' AS __at FROM ({numbered})"
    if as_of in names:
        return names, f"SELECT *, {identifier(as_of)} AS __at FROM ({numbered})"
    raise FeatureError(
        f"as_of is 'visit', a date, or a column of the entities; {as_of!r} is not one of {', '.join(names)}"
    )


def _to_date(text: str | date) -> date:
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError:
        raise FeatureError(f"{text} is no date; write it as 2021-12-31") from None


def _check_runs(catalog: Catalog, group: Group, *, refuse_stale: bool) -> None:
    if group.view.source is not None:
        return
    view, known = group.view.name, catalog.runs(group.view)
    for run in sorted({str(column.run) for column in group.columns}):
        if run not in known:
            others = ", ".join(known) or "none: train first (`eccl train`)"
            raise FeatureError(f"{view} has no run {run} in this store; its runs are {others}")
        count, version = known[run]
        if count and refuse_stale:
            raise FeatureError(
                f"{count} rows of {view}@{run} were computed on data version {version} and not backfilled "
                f"for the one of this store; run `eccl materialize {run}` and `eccl publish`, open a version in which they are current "
                "(`eccl versions`), or include stale rows, which are then marked (stale='include', --include-stale)"
            )


def _coverage_sql(entity: str, groups: Sequence[Group], labels: Sequence[LabelColumn], max_age_days: int | None) -> str:
    """One row per column and data version; every entity is counted once per column."""
    parts = [_group_coverage(group, max_age_days) for group in groups]
    for number, label in enumerate(labels):
        value = f'l{number}."value"'
        parts.append(
            f"SELECT {quote(label.name)} AS feature, 'labels' AS feature_view, NULL AS run, NULL AS data_version, count(*) AS entities, "
            f"count({value}) AS with_value, 0 AS stale, count(*) - count({value}) AS without_value "
            f"FROM e {label.join_to('e', f'l{number}')}"
        )
    return f"WITH e AS ({entity}) " + " UNION ALL ".join(parts)


def _group_coverage(group: Group, max_age_days: int | None) -> str:
    # Counted in one pass over the join for all columns, then unnested to rows.
    outputs = group.outputs(max_age_days)
    alias = group.alias
    is_current, is_stale = (
        ("true", "false") if group.view.source else (f"{alias}.state = 'current'", f"{alias}.state = 'stale'")
    )
    rows = ", ".join(
        f"{{feature: {quote(column.name)}, feature_view: {quote(group.view.name)}, "
        f"run: {quote(column.run) if column.run else 'NULL::VARCHAR'}, "
        f"data_version: {alias}.data_version::VARCHAR, entities: count(*), "
        f"with_value: count(*) FILTER ({outputs[column.name]} IS NOT NULL AND {is_current}), "
        f"stale: count(*) FILTER ({outputs[column.name]} IS NOT NULL AND {is_stale}), "
        f"without_value: count(*) FILTER ({outputs[column.name]} IS NULL)}}"
        for column in group.columns
    )
    return f"SELECT unnest([{rows}], recursive := true) FROM e {group.join()} GROUP BY {alias}.data_version"


def _require_unique(names: Iterable[str]) -> None:
    doubles = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubles:
        raise FeatureError(
            f"{', '.join(doubles)} would be in the result twice; name each once, or rename the entities' columns"
        )


def to_numpy(relation: duckdb.DuckDBPyRelation, position: str | None = None) -> dict[str, NDArray[Any]]:
    """Columns of a relation as arrays, vectors without a detour over objects.

    Parameters
    ----------
    position
        Column with the place of every row, counted from 1; it is not returned. Without it the order of rows is kept.

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
