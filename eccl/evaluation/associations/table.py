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
"""Columns in which the rows of one regression must agree between the splits; otherwise one is out of date."""


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


def merge_splits(file: Path, table: pl.DataFrame, split: str) -> tuple[pl.DataFrame, int, int]:
    """Rows of one split, and the current ones of the other split in a file.

    Returns
    -------
    tuple
        Rows of both splits, split by split; how many rows of the other split were kept, and how many dropped.
    """
    if not file.is_file():
        return table, 0, 0
    others = pl.read_parquet(file).filter(pl.col("split") != split)
    kept = keep_current(others, table)
    rows = pl.concat([table, kept])
    both = pl.concat([rows.filter(pl.col("split") == one) for one in SCORED_SPLITS])
    return both, kept.height, others.height - kept.height


def keep_current(others: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Of the other split's rows, those of the same runs, data and end of follow-up as the split that was just computed.

    Rows of an earlier schema are all out of date. q is computed again among those that are kept.
    """
    if others.schema != table.schema:
        return table.clear()
    # The end of follow-up changes with params.yaml, not with the data.
    until = pl.col("note").str.extract("(followed until .*)").alias("until")
    keys = [*REGRESSION, *SOURCE, "until"]
    same = others.with_columns(until).join(
        table.with_columns(until), on=keys, how="semi", nulls_equal=True, maintain_order="left"
    )
    return _add_q(same.drop("until"))


def _add_q(table: pl.DataFrame) -> pl.DataFrame:
    """q within each analysis of a table of one split; the rows' order stays."""
    parts = [
        part.with_columns(q=pl.Series(adjust(part["p"].to_list()), dtype=pl.Float64))
        for part in table.partition_by("analysis", maintain_order=True)
    ]
    return pl.concat(parts) if parts else table
