"""The gate's SQL, which lies in schemas: several named statements or expressions to a file.

::

    schemas/facts/<topic>.sql      -- name: <fact>            a query that gives one number
    schemas/frames/<suite>.sql     -- name: source            what comes after FROM
                                   -- name: <column>          an expression over the source
    schemas/macros/gate.sql        what several of them say
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from eccl.errors import ConfigError
from eccl.workspace import shipped

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def read_statements(file: Path) -> dict[str, str]:
    """Read the named statements of a file, without its comments.

    Raises
    ------
    ConfigError
        A name stands twice, or for nothing.
    """
    _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        lines = [line for line in body.strip().splitlines() if not line.startswith("--")]
        if name in found or not lines:
            raise ConfigError(
                f"schemas/{file.parent.name}/{file.name}: {name} stands twice or for nothing; mend the file"
            )
        found[name] = "\n".join(lines)
    return found


@functools.cache
def read_folder(folder: str) -> Mapping[str, Mapping[str, str]]:
    """Statements of every file of a folder of schemas, by file and name."""
    files = sorted((shipped("schemas") / folder).glob("*.sql"))
    return {file.stem: read_statements(file) for file in files}


def read_macros() -> str:
    """Statements that make the macros of facts and frames."""
    return (shipped("schemas") / "macros" / "gate.sql").read_text(encoding="utf-8")
