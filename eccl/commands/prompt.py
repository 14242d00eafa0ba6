"""The prompt of ``eccl sql``. Its history is not written anywhere: queries name participants."""

from __future__ import annotations

import cmd

import duckdb
import typer

from eccl.commands.output import Output, render
from eccl.data.database import schema_sql
from eccl.features.store import FeatureStore

_HELP = "Read-only. End a query with a semicolon; .tables, .describe TABLE, .format table|csv|json, .quit"


class Prompt(cmd.Cmd):
    """Read SQL line by line; a statement ends with a semicolon, a line that starts with a dot is a command."""

    intro = _HELP
    prompt = "eccl> "

    def __init__(self, store: FeatureStore, rows: int) -> None:
        super().__init__()
        self._store = store
        self._rows = rows
        self._output = Output.TABLE
        self._lines: list[str] = []

    def run(self) -> None:
        """Answer until the end; an interrupt drops the query that is being written."""
        while True:
            try:
                self.cmdloop()
                return
            except KeyboardInterrupt:
                self._reset()
                self.intro = ""
                typer.echo()

    def onecmd(self, line: str) -> bool:
        """Take a line of SQL, or a dot command; none of the words is one of cmd's own."""
        if not line.strip():
            return False
        if not self._lines and line.startswith("."):
            return self._command(*line[1:].split(maxsplit=1))
        if line == "EOF":
            return True
        self._lines.append(line)
        if line.rstrip().endswith(";"):
            query = "\n".join(self._lines)
            self._reset()
            self._answer(query)
        else:
            self.prompt = "  ... "
        return False

    def _command(self, name: str = "", argument: str = "") -> bool:
        if name in {"quit", "exit"}:
            return True
        if name == "tables":
            self._answer(schema_sql("queries", "tables"))
        elif name == "describe" and argument:
            schema, _, table = argument.rpartition(".")
            self._answer(schema_sql("queries", "describe"), {"table": table, "schema": schema or "main"})
        elif name == "format" and argument in {"table", "csv", "json"}:
            self._output = Output(argument)
        else:
            typer.echo(_HELP)
        return False

    def _answer(self, query: str, parameters: dict[str, str] | None = None) -> None:
        try:
            answer = self._store.sql(query, parameters)
            if answer is not None:
                typer.echo(render(answer.pl(), self._output, self._rows), nl=False)
        except duckdb.Error as error:
            typer.echo(f"eccl: {error}", err=True)

    def _reset(self) -> None:
        self._lines = []
        self.prompt = "eccl> "
