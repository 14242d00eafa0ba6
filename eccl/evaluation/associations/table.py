"""Regressions as the table `associations`: the schema's columns, q, and both splits beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from eccl.data.database import create_tables, fill_table, memory
from eccl.evaluation.associations.regression import adjust
from eccl.evaluation.conventions import SCORED_SPLITS

REGRESSION = ("analysis", "outcome", "predictor")
SOURCE = ("run", "run_id", "data_version", "definition")
"""What two splits' rows of one regression have in common, or one of them is out of date."""


def to_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of one split in the schema's columns and types, with q within each analysis."""
    connection = memory()
    try:
        create_tables(connection, ["associations"])
        fill_table(connection, "associations", pl.DataFrame(rows, infer_schema_length=None).to_arrow())
        table: pl.DataFrame = connection.sql("SELECT * FROM associations").pl()
    finally:
        connection.close()
    return _add_q(table)


def read_other_split(file: Path, split: str) -> pl.DataFrame:
    """Rows that an earlier call wrote of the other split; none where there is no file."""
    if not file.is_file():
        return pl.DataFrame(schema={"split": pl.String})
    return pl.read_parquet(file).filter(pl.col("split") != split)


def keep_current(others: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Of the other split's rows, those by the runs, of the data and until the day of the split that was just computed.

    Rows of an earlier schema are all out of date. q is taken anew among those that stay.
    """
    if others.schema != table.schema:
        return table.clear()
    until = (
        pl.col("note").str.extract("(followed until .*)").alias("until")
    )  # changes with params.yaml, not with the data
    keys = [*REGRESSION, *SOURCE, "until"]
    same = others.with_columns(until).join(
        table.with_columns(until), on=keys, how="semi", nulls_equal=True, maintain_order="left"
    )
    return _add_q(same.drop("until"))


def put_beside(*tables: pl.DataFrame) -> pl.DataFrame:
    """Rows of all splits, split by split."""
    rows = pl.concat(tables)
    return pl.concat([rows.filter(pl.col("split") == split) for split in SCORED_SPLITS])


def _add_q(table: pl.DataFrame) -> pl.DataFrame:
    """q within each analysis of a table of one split; the rows' order stays."""
    parts = [
        part.with_columns(q=pl.Series(adjust(part["p"].to_list()), dtype=pl.Float64))
        for part in table.partition_by("analysis", maintain_order=True)
    ]
    return pl.concat(parts) if parts else table
