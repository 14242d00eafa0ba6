"""Published stores: write each file again without the rows and rename it; open readers keep the old file.

A release keeps its name, schema, comments, views and macros. Deleting rows within the file would leave their bytes in its
free blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from eccl.data.database import memory
from eccl.data.files import TEMPORARY_PREFIX, atomic_path
from eccl.errors import WithdrawalError
from eccl.features.views import quote
from eccl.ledger.releases import note_redaction
from eccl.publishing.publish import ROW_GROUP
from eccl.withdrawal.journal import Plan
from eccl.withdrawal.rows import Select, withdrawn_rows
from eccl.workspace import Workspace


def store_files(workspace: Workspace) -> list[Path]:
    """Every published store."""
    found = [*sorted(workspace.releases.glob("*.duckdb")), workspace.database]
    return [file for file in found if file.is_file() and not file.name.startswith(TEMPORARY_PREFIX)]


def redact_stores(workspace: Workspace, plan: Plan) -> None:
    """Rewrite every store that holds rows of the participants, and note it in the ledger of releases."""
    for file in store_files(workspace):
        with opened(file) as connection:
            has_rows = count_store(connection, plan.select)["withdrawn"] > 0
        if has_rows:
            _redact(file, plan)
        # The note follows the plan: a kill may happen between the file and its note.
        if plan.releases[file.relative_to(workspace.root).as_posix()]["withdrawn"] and file != workspace.database:
            note_redaction(workspace, file.stem, plan.certificate)


@contextmanager
def opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection with a store attached as ``old``, read-only.

    Raises
    ------
    WithdrawalError
        The file is not a DuckDB store, or another process has it open for writing.
    """
    connection = memory()
    try:
        try:
            connection.execute(f"ATTACH {quote(str(file))} AS old (READ_ONLY)").fetchall()
        except duckdb.Error as error:
            raise WithdrawalError(
                f"the published store {file.name} cannot be opened ({type(error).__name__}), so its rows cannot be checked; close the "
                "program that writes it, or delete it (`eccl publish` builds it again), then run the command again"
            ) from None
        yield connection
    finally:
        connection.close()


def count_store(connection: duckdb.DuckDBPyConnection, select: Select) -> dict[str, int]:
    """Count the rows of the attached store's tables with a participant, and those of withdrawn ones."""
    rows = withdrawn = 0
    for table, columns in _tables(connection).items():
        if "eid" in columns:
            rows += _count(connection, table, "true")
            withdrawn += _count(connection, table, withdrawn_sql(connection, table, columns, select))
    return {"rows": rows, "withdrawn": withdrawn}


def withdrawn_sql(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], select: Select) -> str:
    """SQL condition for the rows of withdrawn participants in a table of the attached store."""
    path = ", CASE WHEN eid IS NULL THEN path END AS path" if "path" in columns else ""
    keys = connection.sql(f"SELECT DISTINCT eid{path} FROM {table}").to_arrow_table()
    withdrawn = keys.filter(withdrawn_rows(keys, select)).to_pylist()
    eids = ", ".join(sorted(str(row["eid"]) for row in withdrawn if row["eid"] is not None))
    paths = ", ".join(quote(row["path"]) for row in withdrawn if row["eid"] is None)
    conditions = [f"eid IN ({eids})"] * bool(eids) + [f"eid IS NULL AND path IN ({paths})"] * bool(paths)
    return f"coalesce({' OR '.join(conditions) or 'false'}, false)"


def _redact(file: Path, plan: Plan) -> None:
    permissions = file.stat().st_mode
    with atomic_path(file) as temporary, opened(file) as connection:
        connection.execute(f"ATTACH {quote(str(temporary))} AS new (ROW_GROUP_SIZE {ROW_GROUP})").fetchall()
        connection.execute("COPY FROM DATABASE old TO new (SCHEMA)").fetchall()
        tables = _tables(connection)
        # Vectors stay uncompressed, as publish stores them; the setting applies to the next checkpoint.
        for has_vectors, compression in ((False, "auto"), (True, "uncompressed")):
            connection.execute(f"SET force_compression = '{compression}'").fetchall()
            for table, columns in tables.items():
                if any("FLOAT[" in kind for kind in columns.values()) == has_vectors:
                    _copy(connection, table, columns, plan)
            connection.execute("CHECKPOINT new").fetchall()
        connection.execute("SET force_compression = 'auto'").fetchall()
        if "old.main.deletions" in tables:
            _insert_deletions(connection, plan)
        if "old.main.withdrawals" in tables:
            _insert_withdrawal(connection, plan)
        connection.execute("DETACH new").fetchall()
        temporary.chmod(permissions & 0o777)
    # The write-ahead log of a killed writer does not belong to the new file.
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)


def _copy(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], plan: Plan) -> None:
    target = re.sub(r"^old\.", "new.", table)
    chosen = "*"
    if "tainted_since" in columns and plan.tainted:
        ids = ", ".join(quote(run["run_id"]) for run in plan.tainted)
        mark = f"CASE WHEN run_id IN ({ids}) THEN DATE '{plan.withdrawn_on}' END"
        chosen = f"* REPLACE (coalesce(tainted_since, {mark}) AS tainted_since)"
    where = f"NOT ({withdrawn_sql(connection, table, columns, plan.select)})" if "eid" in columns else "true"
    connection.execute(f"INSERT INTO {target} SELECT {chosen} FROM {table} WHERE {where}").fetchall()


def _insert_deletions(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    for kind, slots in plan.slots.items():
        connection.execute(
            "INSERT OR IGNORE INTO new.main.deletions BY NAME "
            "SELECT $kind AS modality, unnest($slots) AS row, $since AS deleted_on, $certificate AS certificate",
            {"kind": kind, "slots": slots, "since": plan.since, "certificate": plan.certificate},
        ).fetchall()


def _insert_withdrawal(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO new.main.withdrawals (certificate, withdrawn_on, participants, tainted_runs) VALUES (?, ?, ?, ?)",
        [plan.certificate, plan.since, len(plan.eids), len(plan.tainted)],
    ).fetchall()


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns and their types by quoted table of the attached store, without views."""
    rows = connection.execute(
        "SELECT c.schema_name, c.table_name, c.column_name, c.data_type FROM duckdb_columns() c "
        "SEMI JOIN duckdb_tables() t ON c.table_oid = t.table_oid AND c.database_name = t.database_name "
        "WHERE c.database_name = 'old' ORDER BY c.table_oid, c.column_index"
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in rows:
        name = ".".join(part if re.fullmatch(r"[a-z_0-9]+", part) else f'"{part}"' for part in ("old", schema, table))
        found.setdefault(name, {})[column] = kind
    return found


def _count(connection: duckdb.DuckDBPyConnection, table: str, condition: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchall()[0][0])
