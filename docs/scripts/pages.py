"""Write the pages that are made from the schemas: docs/reference/tables.md from the comments, docs/reference/questions.md from the queries.

python docs/scripts/pages.py WORKSPACE        a workspace with the sample pulled and published
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from eccl.commands.output import render_table
from eccl.data import database
from eccl.features.store import FeatureStore, open_store
from eccl.publishing.build import fill_store
from eccl.readers.tables.dictionary import fields_frame, load_dictionary
from eccl.workspace import Workspace, shipped

DOCS = Path(__file__).resolve().parents[1]
WIDTH = 120


def main(workspace: str) -> None:
    """Write both pages."""
    (DOCS / "reference" / "tables.md").write_text(tables_page())
    with open_store(workspace) as store:
        (DOCS / "reference" / "questions.md").write_text(questions_page(store))


def tables_page() -> str:
    """Every table, view and macro of a store with its comments, as Markdown."""
    with TemporaryDirectory() as folder:
        # A store without a cohort has every table and view; the names of the traits come from the dictionary.
        workspace = Workspace(Path(folder))
        database.write_table(workspace.data, "fields", fields_frame(load_dictionary()).to_arrow())
        connection = duckdb.connect(str(workspace.root / "empty.duckdb"))
        try:
            database.create_tables(connection, ["release"])
            fill_store(connection, workspace, [])
            return _tables(connection)
        finally:
            connection.close()


def _tables(connection: duckdb.DuckDBPyConnection) -> str:
    things = connection.execute(
        "SELECT schema_name, table_name, 'table' AS kind, comment FROM duckdb_tables() UNION ALL "
        "SELECT schema_name, view_name, 'view', comment FROM duckdb_views() WHERE NOT internal ORDER BY schema_name DESC, table_name"
    ).fetchall()
    parts = [
        "# Tables",
        "Everything in `eccl.duckdb`, made from the comments in the store itself (`python docs/scripts/pages.py`). Keys: a "
        "participant is `eid`, a visit is `(eid, instance)`; everything joins on the visit. In the store: `.tables` and "
        "`.describe TABLE` at the prompt of `eccl sql`.",
        "`features.<view>_latest` has the columns of `features.<view>`: its current rows of the default run. Vectors of two "
        "views in one query that joins with `LEFT JOIN` need a cast, `vector::FLOAT[]`: DuckDB 2.0 fails on the nulls of two "
        "fixed-size arrays there.",
    ]
    for schema, name, kind, comment in things:
        if name.endswith("_latest"):
            continue
        title = name if schema == "main" else f"{schema}.{name}"
        columns = connection.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
            [schema, name],
        ).fetchall()
        parts.append(f"## {title}\n\n{kind.capitalize()}. {comment}\n\n" + _rows(columns))
    macros = connection.execute(
        "SELECT function_name, list_sort(parameters)::VARCHAR, comment FROM duckdb_functions() WHERE NOT internal ORDER BY function_name"
    ).fetchall()
    parts.append("## Macros\n\n" + "\n".join(f"- `{name}`: {comment}" for name, _, comment in macros))
    return "\n\n".join(parts) + "\n"


def _rows(columns: Iterable[tuple[str, str, str]]) -> str:
    lines = ["| column | type | |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {kind} | {_cell(comment)} |" for name, kind, comment in columns)])


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def questions_page(store: FeatureStore) -> str:
    """Every question with its SQL and its answer from a store, as Markdown."""
    parts = [
        "# Twenty questions",
        "Common questions about such a cohort, as SQL, with the answers of the sample that comes with this repository "
        "(`dvc pull`, `eccl publish`): seventeen simulated participants, so the numbers mean nothing; the queries are what is "
        "meant to be copied. Each is a file: `eccl sql --file schemas/questions/04_prevalence.sql`. What every column means is "
        "in [tables](tables.md).",
    ]
    for number, file in enumerate(question_files(), start=1):
        title, _, query = file.read_text().partition("\n")
        answer = render_table(store.sql(query).pl(), 40, WIDTH)
        parts.append(
            f"## {number}. {title.removeprefix('-- ')}\n\n```sql\n{query.strip()}\n```\n\n```\n{answer.rstrip()}\n```"
        )
    return "\n\n".join(parts) + "\n"


def question_files() -> list[Path]:
    """The questions in order."""
    return sorted((shipped("schemas") / "questions").glob("*.sql"))


if __name__ == "__main__":
    main(sys.argv[1])
