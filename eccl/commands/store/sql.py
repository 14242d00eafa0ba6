"""``eccl sql``: query the published store, read-only."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from eccl.commands.options import CsvOption, JsonOption, OutOption, ReleaseOption, RowsOption, WorkspaceOption
from eccl.commands.output import choose_output, show
from eccl.workspace import find_workspace


def sql(
    query: Annotated[str | None, typer.Argument(help="SQL; without it and --file a prompt opens.")] = None,
    file: Annotated[Path | None, typer.Option("--file", exists=True, help="File with one query.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE for $NAME in the query; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
    rows: RowsOption = 40,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Query the published store, read-only; without a query a prompt opens.

    Example: eccl sql "SELECT split, count(*) FROM pairs GROUP BY 1"

    Example: eccl sql "SELECT * FROM labels WHERE code = $code" --param code=I50 --out labels.csv
    """
    import duckdb

    from eccl.features.store import open_store

    if query is not None and file is not None:
        raise typer.BadParameter("give a query or --file, not both")
    output = choose_output(as_json, as_csv, out)
    place = find_workspace(workspace)
    with open_store(place.root, release=release) as store:
        text = file.read_text() if file else query
        if text is None and sys.stdin.isatty():
            from eccl.commands.prompt import Prompt

            Prompt(store, rows).run()
            return
        try:
            answer = store.sql(sys.stdin.read() if text is None else text, _parameters(param or []))
            show(place, store, answer, output, out, rows)
        except duckdb.Error as error:
            typer.echo(f"eccl: {error}", err=True)
            raise typer.Exit(1) from None


def _parameters(given: list[str]) -> dict[str, Any] | None:
    values: dict[str, Any] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{one!r} is not a parameter; write NAME=VALUE")
        values[name] = _typed(value)
    return values or None


def _typed(value: str) -> int | float | str:
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        return int(value)
    return float(value) if re.fullmatch(r"-?[0-9]+\.[0-9]+", value) else value
