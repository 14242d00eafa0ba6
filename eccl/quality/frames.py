"""What each suite sees: a pandas frame per suite, made by the SQL of schemas/frames from the tables.

Two rules. Anything that needs more than one column is computed here, vectorised, and is a plain column to the suite.
And no frame holds what could name a participant: `eid` is replaced by its rank, and free text and file names stay
behind, so that nothing the validation library may print, log or render can be an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eccl.quality.facts import load_facts
from eccl.quality.parameters import GateParameters
from eccl.quality.statements import read_folder, read_macros

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Columns with free text or file names.
_HIDDEN = frozenset({"path", "detail", "diagnosis", "manufacturer", "software", "analysis"})


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a suite's rows come from, and the columns that are computed for it."""

    source: str
    derived: Mapping[str, str]


def _frame(statements: Mapping[str, str]) -> Frame:
    return Frame(statements["source"], {name: sql for name, sql in statements.items() if name != "source"})


FRAMES: Mapping[str, Frame] = {suite: _frame(statements) for suite, statements in read_folder("frames").items()}
"""What every suite sees, as in schemas/frames."""


def load_frame(connection: duckdb.DuckDBPyConnection, suite: str) -> pd.DataFrame | None:
    """Load the frame a suite sees; None where its table is missing.

    Columns that cannot be computed, because the table lacks what they need, are left out.

    Parameters
    ----------
    connection
        One view or table per table of schemas/tables, after :func:`set_variables`.
    suite
        Name of the suite.
    """
    if suite == "facts":
        return load_facts(connection)
    frame = FRAMES[suite]
    columns = _columns(connection, frame.source)
    if columns is None:
        return None
    selected = [_expose(name) for name in columns if name not in _HIDDEN]
    derived = dict(frame.derived)
    if "eid" in columns:
        derived["eid_sign"] = "sign(eid)"
    selected += [
        f"{expression} AS {name}"
        for name, expression in derived.items()
        if _columns(connection, f"(SELECT {expression} AS found FROM {frame.source})") is not None
    ]
    return _widen(connection.sql(f"SELECT {', '.join(selected)} FROM {frame.source}").df())


def set_variables(connection: duckdb.DuckDBPyConnection, parameters: GateParameters) -> None:
    """Give the SQL of frames and facts its macros, and the limits of params.yaml as DuckDB variables."""
    connection.execute(read_macros()).fetchall()
    shares = [{"split": split, "share": share} for split, share in parameters.split_shares.items()]
    values: dict[str, Any] = {
        "frames": parameters.frames,
        "window_px": parameters.window_px,
        "incident_horizon_days": parameters.incident_horizon_days,
        "diseases": list(parameters.diseases),
        "split_shares": shares,
    }
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value]).fetchall()


def _widen(found: pd.DataFrame) -> pd.DataFrame:
    # The library compares columns of plain 64-bit numbers as a whole, and all others value by value, a hundred times
    # slower. Whole numbers with gaps become floats, where a gap is a NaN.
    numbers = {name: kind for name, kind in found.dtypes.items() if kind.kind in "iuf"}
    gaps = {name for name, kind in numbers.items() if str(kind)[0].isupper()}  # pandas writes Int32 for int32 with gaps
    return found.astype(
        {name: "float64" if kind.kind == "f" or name in gaps else "int64" for name, kind in numbers.items()}
    )


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> list[str] | None:
    import duckdb

    try:
        return [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    except (duckdb.CatalogException, duckdb.BinderException):
        return None


def _expose(name: str) -> str:
    if name == "eid":
        return "CASE WHEN eid IS NOT NULL THEN dense_rank() OVER (ORDER BY eid) END AS eid"
    return f'"{name}"'
