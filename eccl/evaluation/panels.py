"""Panels of figures: points as data, or what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from eccl.data.database import empty_table

POINTS = ("series", "eid", "instance", "x", "y", "label", "run", "split")
"""Columns of a panel's points; the table has the figure's and the panel's name before them."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its points, or why it has none.

    Parameters
    ----------
    name
        Name in the table of points.
    title
        Text above the panel.
    points
        Columns :data:`POINTS`.
    missing
        What the panel lacks, and what to run; empty where nothing is missing.
    """

    name: str
    title: str
    points: pl.DataFrame
    missing: str = ""


def empty_panel(name: str, title: str, missing: str) -> Panel:
    """A panel without points."""
    return Panel(name, title, make_points([]), missing)


def make_points(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Points from rows, in the types of schemas/tables/figure_points.sql; absent keys are null."""
    schema = pl.DataFrame(empty_table("figure_points")).select(POINTS).schema
    return pl.DataFrame(list(rows), schema=schema)
