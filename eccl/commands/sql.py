"""``eccl sql``: ask the published store, read-only."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import WorkspaceOption

if TYPE_CHECKING:
    import duckdb


class Output(StrEnum):
    """Form of an answer."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def sql(
    query: Annotated[str, typer.Argument(help="SQL.")],
    output: Annotated[Output, typer.Option("--format", "-f", help="Form of the answer.")] = Output.table,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the answer; parquet needs one.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows shown by the table form.")] = 40,
    workspace: WorkspaceOption = None,
) -> None:
    """Ask the published store.

    Example: eccl sql "SELECT split, count(*) FROM pairs GROUP BY 1"
    """
    import duckdb

    from eccl.store.database import open_store
    from eccl.workspace import find_workspace

    if output is Output.parquet and out is None:
        raise typer.BadParameter("parquet needs a file: --out FILE.parquet")
    with open_store(find_workspace(workspace).root) as store:
        try:
            text = _render(store.sql(query), output, out, rows)
        except duckdb.Error as error:
            typer.echo(f"eccl: {error}", err=True)
            raise typer.Exit(1) from None
    if out is not None and output is not Output.parquet:
        out.write_text(text)
    elif text:
        typer.echo(text, nl=False)


def _to_json(value: Any) -> str:
    return json.dumps(value.to_list() if hasattr(value, "to_list") else value, default=str)


def _render(answer: duckdb.DuckDBPyRelation | None, output: Output, out: Path | None, rows: int) -> str:
    if answer is None:  # a statement without a result
        return ""
    if output is Output.parquet:
        answer.write_parquet(str(out))
        return ""
    if output is Output.csv:
        import polars as pl

        frame = answer.pl()
        nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
        as_text = [pl.col(name).map_elements(_to_json, return_dtype=pl.String) for name in nested]
        return str(frame.with_columns(as_text).write_csv())
    if output is Output.json:
        return str(answer.pl().write_json()) + "\n"
    return render_table(answer, rows)


def render_table(answer: duckdb.DuckDBPyRelation, rows: int) -> str:
    """Draw an answer as text; long vectors and texts are shortened, cut rows are counted."""
    import io

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    frame = answer.pl()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, kind in zip(frame.columns, frame.dtypes, strict=True):
        table.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in frame.head(rows).iter_rows():
        table.add_row(*(_cell(value) for value in row))
    stream = io.StringIO()
    Console(file=stream, width=160).print(table)
    cut = frame.height - rows
    lines = [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]
    return "\n".join([*lines, *([f"... {cut} more rows (--rows)"] if cut > 0 else [])]) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"[{', '.join(_cell(item) for item in value[:3])}, ... {len(value)}]"
    return str(value)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(sql)
