"""Answers as text or files: the forms that every reading verb offers."""

from __future__ import annotations

import io
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from eccl.store.feature_store import FeatureStore
    from eccl.workspace import Workspace


class Output(StrEnum):
    """Form of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def show(
    workspace: Workspace,
    store: FeatureStore,
    answer: duckdb.DuckDBPyRelation | None,
    output: Output,
    out: Path | None,
    rows: int,
) -> None:
    """Print an answer, or write it to a file and note in the ledger that it left."""
    if answer is None:  # a statement without a result
        return
    if output is Output.PARQUET and out is None:
        raise typer.BadParameter("parquet needs a file: --out FILE.parquet")
    if out is None:
        typer.echo(render(answer.pl(), output, rows), nl=False)
        return
    from eccl.store.exports import record_export

    frame = answer.pl()
    if output is Output.PARQUET:
        frame.write_parquet(out)
    else:
        out.write_text(render(frame, output, frame.height))
    record_export(workspace, out, store.release, has_eid="eid" in frame.columns, rows=frame.height)
    typer.echo(f"{frame.height} rows in {out} (noted in ledger/exports.jsonl)", err=True)


def render(frame: pl.DataFrame, output: Output, rows: int) -> str:
    """An answer as text."""
    import polars as pl

    if output is Output.CSV:
        nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
        as_text = [pl.col(name).map_elements(_to_json, return_dtype=pl.String) for name in nested]
        return str(frame.with_columns(as_text).write_csv())
    if output is Output.JSON:
        return str(frame.write_json()) + "\n"
    return render_table(frame, rows)


def render_table(frame: pl.DataFrame, rows: int, width: int = 160) -> str:
    """Draw a frame as text; long vectors and texts are shortened, cut rows are counted."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, kind in zip(frame.columns, frame.dtypes, strict=True):
        table.add_column(
            name, justify="right" if kind.is_numeric() else "left", overflow="fold", no_wrap=kind.is_nested()
        )
    for row in frame.head(rows).iter_rows():
        table.add_row(*(_cell(value) for value in row))
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    cut = frame.height - rows
    lines = [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]
    return "\n".join([*lines, *([f"... {cut} more rows (--rows)"] if cut > 0 else [])]) + "\n"


def _to_json(value: Any) -> str:
    return json.dumps(value.to_list() if hasattr(value, "to_list") else value, default=str)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"[{', '.join(_cell(item) for item in value[:2])}, ... {len(value)}]"
    return str(value)
