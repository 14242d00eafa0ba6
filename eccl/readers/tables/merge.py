"""Several exports of the same people become one table of values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import polars as pl

from eccl.errors import Reason
from eccl.readers.tables.issues import TableIssue
from eccl.readers.tables.values import VALUES_SCHEMA

_KEY = ("eid", "field_id", "instance", "array_index")


class _Export(Protocol):
    @property
    def path(self) -> Path: ...
    @property
    def values(self) -> pl.DataFrame: ...


def merge_exports(exports: Sequence[_Export]) -> tuple[pl.DataFrame, list[TableIssue]]:
    """Unite the values of several exports.

    Parameters
    ----------
    exports
        From :func:`~eccl.readers.tables.export.read_table`, in any order and any mix of dialects.

    Returns
    -------
    values
        As of one export: equal values once; where files differ, the value of the first file in the order of their
        paths.
    issues
        One ``TABLE_CONFLICT`` per file and column with the number of values that were not taken. Issues of the
        exports themselves are not repeated.
    """
    ordered = sorted(exports, key=lambda export: str(export.path))
    frames = [export.values.with_columns(pl.lit(rank, pl.Int32).alias("rank")) for rank, export in enumerate(ordered)]
    empty = pl.DataFrame(schema=VALUES_SCHEMA | {"rank": pl.Int32})
    united = pl.concat([empty, *frames]).sort(*_KEY, "rank")
    is_first = ~pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in _KEY).fill_null(value=False)
    united = united.with_columns(is_first.alias("is_first")).with_columns(
        pl.when("is_first").then("value").forward_fill().alias("kept")
    )
    conflicts = united.filter(~pl.col("is_first") & (pl.col("value") != pl.col("kept")))
    return united.filter("is_first").select(*VALUES_SCHEMA), _list_conflicts(conflicts, ordered)


def _list_conflicts(conflicts: pl.DataFrame, ordered: Sequence[_Export]) -> list[TableIssue]:
    columns = ("rank", "field_id", "instance", "array_index")
    counted = conflicts.group_by(*columns).agg(pl.len(), pl.col("eid").first()).sort(*columns)
    return [
        TableIssue(
            Reason.TABLE_CONFLICT,
            f"field {field_id}, instance {instance}, array {array_index}: {count} values differ from an earlier "
            "file's; the earlier file's are kept; find out which export is newer",
            count,
            eid=eid if count == 1 else None,
            path=str(ordered[rank].path),
        )
        for rank, field_id, instance, array_index, count, eid in counted.iter_rows()
    ]
