"""Quarantined files as tables: by reason, or file by file."""

from __future__ import annotations

from typing import Any

import polars as pl

from eccl.data.parts import read_table, table_files
from eccl.workspace import Workspace

_SCHEMA = {"kind": pl.String, "reason": pl.String, "detail": pl.String, "remedy": pl.String, "path": pl.String}


def read_quarantine(workspace: Workspace, kind: str | None = None, reason: str | None = None) -> pl.DataFrame:
    """Quarantined files that no later file of the visit replaced.

    Returns
    -------
    pl.DataFrame
        ``kind``, ``reason``, ``detail``, ``remedy``, ``path`` (relative to the raw place); sorted.
    """
    if not table_files(workspace.data, "quarantine"):
        return pl.DataFrame(schema=_SCHEMA)
    found: Any = pl.from_arrow(read_table(workspace.data, "quarantine"))
    chosen: pl.DataFrame = found.select(*_SCHEMA)
    if kind is not None:
        chosen = chosen.filter(pl.col("kind") == kind)
    if reason is not None:
        chosen = chosen.filter(pl.col("reason") == reason)
    return chosen.sort(*_SCHEMA)


def count_quarantine(quarantined: pl.DataFrame) -> pl.DataFrame:
    """Count quarantined files by kind and reason, most frequent first: ``kind``, ``reason``, ``files``, ``example``, ``remedy``."""
    return (
        quarantined.group_by("kind", "reason", "remedy")
        .agg(files=pl.len(), example=pl.col("detail").min())
        .sort(["files", "kind", "reason"], descending=[True, False, False])
        .select("kind", "reason", "files", "example", "remedy")
    )
