"""Expectation suites as files: schemas/expectations/*.json, in Great Expectations' own format, one line each.

A file contains no ids and no version of the library. ``meta.table`` of a suite names its table; ``meta.table`` of an
expectation overrides it (the facts suite checks many tables).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eccl.errors import GateError
from eccl.quality.results import CRITICAL, WARNING
from eccl.workspace import shipped

_KEYS = ("type", "kwargs", "meta", "severity", "notes")
_COLUMN_KEYS = ("column", "column_A", "column_B")


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite: its name (the file's stem), its table, and its expectations as dictionaries of Great Expectations."""

    name: str
    table: str
    notes: str
    expectations: tuple[dict[str, Any], ...]

    def table_of(self, expectation: dict[str, Any]) -> str:
        """Return the table of an expectation."""
        return str(expectation.get("meta", {}).get("table", self.table))


def suites_folder() -> Path:
    """Folder of the shipped suites."""
    return shipped("schemas") / "expectations"


def load_suites(folder: Path | None = None) -> tuple[Suite, ...]:
    """Load every suite of a folder, sorted by name.

    Raises
    ------
    GateError
        The folder contains no suite, or a file is not one.
    """
    files = sorted((folder or suites_folder()).glob("*.json"))
    if not files:
        raise GateError(
            "no expectation suite found; expected schemas/expectations/*.json beside the package, reinstall eccl"
        )
    return tuple(load_suite(file) for file in files)


def load_suite(file: Path) -> Suite:
    """Load one suite; ids are dropped and severities checked."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        suite = Suite(
            name=found["name"],
            table=found["meta"]["table"],
            notes=found.get("notes") or "",
            expectations=tuple(_without_ids(expectation) for expectation in found["expectations"]),
        )
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise GateError(
            f"{file.name} is not an expectation suite: {error!r}; compare with the other files of the folder"
        ) from error
    if suite.name != file.stem:
        raise GateError(f"{file.name} has the name {suite.name!r}; expected the name of the file")
    for expectation in suite.expectations:
        if expectation.get("severity") not in {CRITICAL, WARNING} or not expectation.get("notes"):
            raise GateError(
                f"{file.name}: {expectation.get('type')} on {column_name(expectation)} needs a severity "
                "(critical or warning) and a notes sentence"
            )
    return suite


def columns_of(expectation: dict[str, Any]) -> list[str]:
    """Columns an expectation needs; empty for table-level ones."""
    kwargs = expectation["kwargs"]
    return [kwargs[key] for key in _COLUMN_KEYS if key in kwargs] + list(kwargs.get("column_list", ()))


def column_name(expectation: dict[str, Any]) -> str | None:
    """Columns of an expectation as one text; None for table-level ones."""
    return ", ".join(columns_of(expectation)) or None


def _without_ids(expectation: dict[str, Any]) -> dict[str, Any]:
    kept = {key: expectation[key] for key in _KEYS if expectation.get(key)}
    kept["kwargs"] = dict(sorted(expectation["kwargs"].items()))
    return kept
