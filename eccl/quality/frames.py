"""The data that each suite reads: one pandas frame per suite, computed by the SQL below schemas from the tables.

::

    schemas/facts/<topic>.sql      -- name: <fact>            a query that returns one number, 0 where nothing is wrong
    schemas/frames/<suite>.sql     -- name: source            what follows FROM
                                   -- name: <column>          an expression over the source
    schemas/product/features.sql   -- name: <condition>       an expression that holds for a wrong row
    schemas/macros/gate.sql        macros that several of them use

Two rules. Whatever needs more than one column is computed here, vectorised, and is a plain column to the suite. And no
frame holds what could name a participant: `eid` is replaced by its rank, and free text and file names are not included, so
that nothing the validation library prints, logs or renders can be an id.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eccl.config import Params, load_params
from eccl.data.parts import table_files
from eccl.errors import ConfigError
from eccl.modalities import MODALITIES, MODALITY_OF_KIND
from eccl.workspace import Workspace, shipped

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Columns with free text or file names.
_HIDDEN = frozenset({"path", "detail", "diagnosis", "manufacturer", "software", "software_version"})
_EID_RANK = "CASE WHEN eid IS NOT NULL THEN dense_rank() OVER (ORDER BY eid) END AS eid"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """A named statement or expression of a SQL file, and the comment below its name."""

    sql: str
    comment: str


def read_statements(file: Path) -> dict[str, Statement]:
    """Read the named statements of a SQL file.

    Raises
    ------
    ConfigError
        A name occurs twice, or has no statement.
    """
    _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
    found: dict[str, Statement] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        lines = body.strip().splitlines()
        sql = "\n".join(line for line in lines if not line.startswith("--"))
        if name in found or not sql:
            raise ConfigError(
                f"schemas/{file.parent.name}/{file.name}: {name} occurs twice or has no statement; correct the file"
            )
        found[name] = Statement(sql, " ".join(line.removeprefix("-- ") for line in lines if line.startswith("--")))
    return found


@functools.cache
def frame_statements() -> Mapping[str, Mapping[str, str]]:
    """Statements of schemas/frames, by suite: ``source`` and the computed columns."""
    files = sorted((shipped("schemas") / "frames").glob("*.sql"))
    return {file.stem: {name: one.sql for name, one in read_statements(file).items()} for file in files}


@functools.cache
def facts() -> Mapping[str, str]:
    """Queries of schemas/facts by name; their limits and severities are in schemas/expectations/facts.json."""
    files = sorted((shipped("schemas") / "facts").glob("*.sql"))
    return {name: one.sql for file in files for name, one in read_statements(file).items()}


def computed_columns(suite: str) -> dict[str, str]:
    """Expressions of the columns that are computed for a suite, by name."""
    return {name: sql for name, sql in frame_statements()[suite].items() if name != "source"}


def read_limits(workspace: Workspace) -> dict[str, Any]:
    """Read the values of params.yaml that suites name as ``{"$PARAMETER": name}`` and SQL as ``getvariable('name')``.

    Raises
    ------
    ConfigError
        params.yaml has unknown keys or wrong values.
    """
    file = workspace.params_file
    params = load_params(file) if file.is_file() else Params()
    shares = params.cohort.split_shares
    return {
        "max_lead_identity_error_uv": params.ingest.max_lead_identity_error_uv,
        "max_missing_frames": params.ingest.max_missing_frames,
        "frames": params.cine.frames,
        "window_px": params.cine.window_px,
        "diseases": list(params.cohort.diseases),
        "modalities": sorted(MODALITY_OF_KIND),
        "quarantine_kinds": [*(one.kind for one in MODALITIES), "table"],
        "incident_horizon_days": params.cohort.incident_horizon_days,
        "splits": list(shares),
        "split_shares": [{"split": split, "share": share} for split, share in shares.items()],
    }


def open_tables(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with one view per cohort table, over its Parquet files as they are.

    `eccl.data.database.connect_data` fills tables with keys and NOT NULL, and raises an error for rows that break them.
    The gate reports such rows, so it reads the files without constraints, superseded rows included. A table without a
    file is empty. The caller closes the connection.
    """
    from eccl.data.database import COHORT_TABLES, create_tables, memory, with_present_names

    connection = memory()
    for table in COHORT_TABLES:
        files = [file.as_posix() for file in table_files(workspace.data, table)]
        if files:
            with_present_names(connection.read_parquet(files, union_by_name=True)).create_view(table)
        else:
            create_tables(connection, [table])
    return connection


def set_variables(connection: duckdb.DuckDBPyConnection, values: Mapping[str, Any]) -> None:
    """Create the macros of schemas/macros/gate.sql, and one DuckDB variable per value."""
    connection.execute((shipped("schemas") / "macros" / "gate.sql").read_text(encoding="utf-8")).fetchall()
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value]).fetchall()


def load_frame(connection: duckdb.DuckDBPyConnection, suite: str) -> pd.DataFrame | None:
    """Load the frame of a suite; None if its table is missing.

    Columns whose inputs the table lacks are not included.

    Parameters
    ----------
    connection
        One view or table per table of schemas/tables, after :func:`set_variables`.
    suite
        Name of the suite.
    """
    if suite == "facts":
        return _load_facts(connection)
    source = frame_statements()[suite]["source"]
    columns = describe(connection, f"SELECT * FROM {source}")
    if columns is None:
        return None
    selected = [_EID_RANK if name == "eid" else f'"{name}"' for name in columns if name not in _HIDDEN]
    derived = computed_columns(suite) | ({"eid_sign": "sign(eid)"} if "eid" in columns else {})
    selected += [
        f"{expression} AS {name}"
        for name, expression in derived.items()
        if describe(connection, f"SELECT {expression} FROM {source}") is not None
    ]
    return _widen(connection.sql(f"SELECT {', '.join(selected)} FROM {source}").df())


def describe(connection: duckdb.DuckDBPyConnection, query: str) -> list[str] | None:
    """Columns that a query would return; None if a table or column that it names is missing."""
    import duckdb

    try:
        return [str(row[0]) for row in connection.execute(f"DESCRIBE {query}").fetchall()]
    except (duckdb.CatalogException, duckdb.BinderException):
        return None


def _load_facts(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Compute every fact; one whose tables lack a column that it names is skipped."""
    import pandas as pd

    found: dict[str, list[float]] = {}
    for name, query in facts().items():
        if describe(connection, query) is not None:
            [(value,)] = connection.execute(query).fetchall()
            # A share of no rows is null, which is no failure.
            found[name] = [float(value or 0)]
    return pd.DataFrame(found)


def _widen(found: pd.DataFrame) -> pd.DataFrame:
    # The library compares columns of plain 64-bit numbers as a whole, and all others value by value, a hundred times
    # slower. Whole numbers with gaps become floats, where a gap is a NaN.
    numbers = {name: kind for name, kind in found.dtypes.items() if kind.kind in "iuf"}
    gaps = {name for name, kind in numbers.items() if str(kind)[0].isupper()}  # pandas writes Int32 for int32 with gaps
    return found.astype(
        {name: "float64" if kind.kind == "f" or name in gaps else "int64" for name, kind in numbers.items()}
    )
