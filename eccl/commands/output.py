"""Answers as tables, CSV, JSON or files."""

from __future__ import annotations

import io
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eccl.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from eccl.features.store import FeatureStore


class Output(StrEnum):
    """Form of an answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def choose_output(as_json: bool, as_csv: bool, out: Path | None = None) -> Output:
    """Choose the form of an answer from the options ``--json``, ``--csv`` and ``--out``.

    Raises
    ------
    typer.BadParameter
        More than one of them is given, or the file has another ending.
    """
    if as_json + as_csv + (out is not None) > 1:
        raise typer.BadParameter("give one of --json, --csv and --out; the ending of --out FILE decides its form")
    if out is None:
        return Output.JSON if as_json else Output.CSV if as_csv else Output.TABLE
    forms = {".parquet": Output.PARQUET, ".csv": Output.CSV, ".json": Output.JSON}
    if out.suffix not in forms:
        raise typer.BadParameter(f"--out takes a file that ends in {', '.join(forms)}; found {out.name}")
    return forms[out.suffix]


def show(
    workspace: Workspace,
    store: FeatureStore,
    answer: duckdb.DuckDBPyRelation | None,
    output: Output,
    out: Path | None,
    rows: int,
) -> None:
    """Print an answer, or write it to a file and record the export in the ledger."""
    if answer is None:  # a statement without a result
        return
    frame = answer.pl()
    if out is None:
        typer.echo(render(frame, output, rows), nl=False)
        return
    from eccl.errors import WorkspaceError
    from eccl.ledger.exports import record_export

    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise WorkspaceError(f"{out.parent} is not a folder that can be written to; give --out a file in one that is")
    # Recorded before it is written: a line too many is harmless, an unrecorded file is not.
    record_export(workspace, out, store.release, has_eid="eid" in frame.columns, rows=frame.height)
    if output is Output.PARQUET:
        frame.write_parquet(out)
    else:
        out.write_text(render(frame, output, frame.height))
    typer.echo(f"{frame.height} rows in {out} (recorded in ledger/exports.jsonl)", err=True)


def render(frame: pl.DataFrame, output: Output, rows: int) -> str:
    """Render an answer as text."""
    import polars as pl

    if output is Output.CSV:
        nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
        as_text = [pl.col(name).map_elements(_to_json, return_dtype=pl.String) for name in nested]
        return str(frame.with_columns(as_text).write_csv())
    if output is Output.JSON:
        return str(frame.write_json()) + "\n"
    return render_table(frame, rows)


def render_table(frame: pl.DataFrame, rows: int, width: int = 160) -> str:
    """Render a frame as a text table: long vectors are shortened, omitted rows and columns are counted."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    cells = {name: [_cell(value) for value in frame[name].head(rows).to_list()] for name in frame.columns}
    shown = _fitting(cells, width)
    if len(shown) < frame.width and frame.height == 1:
        return "".join(f"{name:<40} {values[0]}\n" for name, values in cells.items())  # one line per column
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        kind = frame.schema[name]
        justify = "right" if kind.is_numeric() else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=kind.is_nested())  # type: ignore[arg-type]
    for row in zip(*(cells[name] for name in shown), strict=True):
        table.add_row(*row)
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    lines = [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]
    if frame.height > rows:
        lines.append(f"... {frame.height - rows} more rows (--rows)")
    if len(shown) < frame.width:
        lines.append(f"... {frame.width - len(shown)} more columns; name the columns you want, or use --csv")
    return "\n".join(lines) + "\n"


def _fitting(cells: dict[str, list[str]], width: int) -> list[str]:
    """Select the columns from the left that fit a line; long texts wrap, so they count at most 24 characters."""
    shown: list[str] = []
    used = 0
    for name, values in cells.items():
        used += max([min(len(name), 24), *(min(len(value), 24) for value in values)]) + 3
        if used > width and shown:
            break
        shown.append(name)
    return shown


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
