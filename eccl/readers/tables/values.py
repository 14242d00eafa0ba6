"""Cells of a tabular export: from wide text to long, typed-checked, canonical text.

A value's type comes from the dictionary, never from the values themselves. Checked values are written in one way
(``1`` for ``1.0``, ``27.1`` for ``27.10``), so that the same value from two tools is the same text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from eccl.readers.tables.dictionary import PLACEHOLDER_DATES, Field
from eccl.readers.tables.headers import Column

VALUES_SCHEMA: dict[str, type[pl.DataType]] = {
    "eid": pl.Int64,
    "field_id": pl.Int32,
    "instance": pl.Int16,
    "array_index": pl.Int16,
    "value": pl.String,
}
"""Columns of the long form."""
KEY = ("eid", "field_id", "instance", "array_index")

OK, BAD, LABEL = 0, 1, 2
"""Status of a cell: accepted, not of its type, or a label where a code was expected."""

_INTEGER = r"^[+-]?[0-9]{1,18}(?:\.0*)?$"
_CODE = r"^[A-Za-z0-9.\-]{1,10}$"
# years of births and events; a year 0 is a date for some programs and an error for others
_DATE = r"^(?:1[89]|20)[0-9]{2}-[0-9]{2}-[0-9]{2}(?:[T ]00:00:00(?:\.0+)?Z?)?$"
_LONGEST_LIST = 32_767  # what an array index may be
_LIST_ITEM = r'"(?:[^"\\]|\\.)*"|[^\[\],\s"]+'


def event_date() -> pl.Expr:
    """Column ``value`` of a date field as a date, named ``value``; null for a placeholder of its coding."""
    day = pl.col("value").str.to_date("%Y-%m-%d", strict=False)
    return pl.when(~day.is_in(list(PLACEHOLDER_DATES))).then(day)


def describe_columns(columns: Sequence[Column], dictionary: Mapping[int, Field]) -> pl.DataFrame:
    """Make a frame of the columns: position in the file, key, and how values are written."""
    schema = {"column": pl.UInt32, "field_id": pl.Int32, "instance": pl.Int16, "array_index": pl.Int16}
    rows = [
        (column.position, column.field_id, column.instance, column.array_index, field.kind, field.is_categorical)
        for column in columns
        for field in (dictionary[column.field_id],)
    ]
    return pl.DataFrame(rows, schema=schema | {"kind": pl.String, "is_categorical": pl.Boolean}, orient="row")


def melt_cells(wide: pl.DataFrame, described: pl.DataFrame) -> pl.DataFrame:
    """Turn a block of rows into one row per non-empty cell or list item.

    Parameters
    ----------
    wide
        ``eid``, ``row_number``, and one text column per described column, named by its position.
    described
        From :func:`describe_columns`.

    Returns
    -------
    DataFrame
        eid, row_number, column, field_id, instance, array_index, kind, is_categorical, value.
    """
    cells = (
        wide.unpivot(index=["eid", "row_number"], variable_name="column", value_name="value")
        .with_columns(pl.col("value").str.strip_chars())
        .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        .with_columns(pl.col("column").cast(pl.UInt32))
        .join(described, on="column", how="inner")
    )
    is_list = pl.col("array_index").is_null()
    lists = cells.filter(is_list)
    if lists.is_empty():
        return cells
    return pl.concat([cells.filter(~is_list), _explode_lists(lists).select(cells.columns)])


def _explode_lists(cells: pl.DataFrame) -> pl.DataFrame:
    """Give every item of a list cell its array index; JSON text, or items between bars."""
    value = pl.col("value")
    is_json = value.str.starts_with("[") & value.str.ends_with("]")
    items = pl.when(is_json).then(value.str.extract_all(_LIST_ITEM)).otherwise(value.str.split("|"))
    # A list without end has no indices to give; what stands in for it is a value of no type, and is rejected as one.
    items = pl.when(items.list.len() <= _LONGEST_LIST).then(items).otherwise(pl.lit(["[...]"]))
    return (
        cells.with_columns(items.alias("value"), is_json.alias("is_json"))
        .with_columns(pl.int_ranges(0, pl.col("value").list.len(), dtype=pl.Int16).alias("array_index"))
        .explode("value", "array_index")
        # null is an item of a JSON list; its place counts, its value does not
        .filter(~(pl.col("is_json") & (pl.col("value") == "null")))
        .with_columns(
            pl.when("is_json").then(pl.col("value").str.strip_chars('"')).otherwise("value").str.strip_chars()
        )
        .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        .drop("is_json")
    )


def check_cells(cells: pl.DataFrame) -> pl.DataFrame:
    """Write every value in its canonical form and give it a status.

    Parameters
    ----------
    cells
        From :func:`melt_cells`.

    Returns
    -------
    DataFrame
        The same cells, grouped by kind, with canonical ``value`` and ``status`` (:data:`OK`, :data:`BAD` or
        :data:`LABEL`); rejected values become null.
    """
    checked = []
    for kind, canonical in _CANONICAL.items():
        part = cells.filter(pl.col("kind") == kind)
        if part.is_empty():
            continue
        value = pl.col("value")
        is_label = pl.col("is_categorical") & value.str.contains("[A-Za-z]")
        rejected = pl.when(is_label).then(LABEL).otherwise(BAD)
        part = part.with_columns(canonical.alias("canonical")).with_columns(
            pl.when(pl.col("canonical").is_not_null()).then(OK).otherwise(rejected).cast(pl.Int8).alias("status")
        )
        checked.append(part.drop("value").rename({"canonical": "value"}))
    return pl.concat(checked) if checked else cells.with_columns(pl.lit(OK, dtype=pl.Int8).alias("status"))


def _canonical_forms() -> dict[str, pl.Expr]:
    """Expressions that give a value's canonical text, or null where it is not of its kind."""
    value = pl.col("value")
    number = value.cast(pl.Float64, strict=False)
    whole = value.str.replace(r"\.0*$", "").str.strip_prefix("+").cast(pl.Int64, strict=False)
    day = value.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return {
        "integer": pl.when(value.str.contains(_INTEGER)).then(whole.cast(pl.String)),
        # "nan" and "inf" parse as numbers and are none
        "continuous": pl.when(number.is_finite()).then(number.cast(pl.String)),
        "date": pl.when(value.str.contains(_DATE)).then(day.dt.to_string("%Y-%m-%d")),
        # ICD-10 is written without a dot in UK Biobank's tables
        "code": pl.when(value.str.contains(_CODE)).then(value.str.replace_all(".", "", literal=True)),
        "text": value,
    }


_CANONICAL = _canonical_forms()
