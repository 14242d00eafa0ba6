"""Associations as a forest plot: estimates with their intervals, the strongest of each analysis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from eccl.evaluation.associations.regression import PROPORTIONAL
from eccl.evaluation.conventions import NAMES, SIGNIFICANT, SPLITS
from eccl.evaluation.style import BLUE, GREY, LARGE, LIGHT_GREY, NORMAL, SMALL, drawing, letter, save, write_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAITS, PER_DISEASE = 20, 4
"""Traits that are drawn, and predicted traits for each later diagnosis: those with the smallest p."""


def draw_forest(table: pl.DataFrame, path: Path) -> list[Path]:
    """Draw the strongest associations of one split; filled marks have q below 0.05.

    Parameters
    ----------
    table
        Rows of one split, in the columns of schemas/tables/associations.sql.
    path
        Without suffix.
    """
    fitted = table.filter(pl.col("estimate").is_not_null()).with_columns(
        label=pl.when(pl.col("analysis") == "incident")
        .then(pl.col("outcome").replace(NAMES) + " · " + pl.col("predictor").str.replace_all("_", " "))
        .otherwise(pl.col("outcome").replace(NAMES).str.replace_all("_", " "))
    )
    traits = fitted.filter(pl.col("analysis") == "trait").sort("p", "label").head(TRAITS)
    diseases = fitted.filter(pl.col("analysis") == "disease")
    incidents = fitted.filter(pl.col("analysis") == "incident").sort("p", "label")
    incidents = incidents.group_by("outcome", maintain_order=True).head(PER_DISEASE).sort("outcome", "p")
    parts = (
        ("a", "Measured on predicted trait", _share(traits, table, "trait"), traits, "difference (SD per SD)"),
        ("b", "Disease on predicted logit", _share(diseases, table, "disease"), diseases, "odds ratio per SD"),
        (
            "c",
            "Later diagnosis on predicted trait",
            _share(incidents, table, "incident"),
            incidents,
            "hazard ratio per SD",
        ),
    )
    with drawing(height=4.6) as figure:
        grid = figure.subplot_mosaic([["a", "b"], ["a", "c"]], height_ratios=[1, 3])
        for mark, title, drawn, rows, unit in parts:
            axes = grid[mark]
            axes.set_title(f"{title}\n{drawn}" if len(rows) else title, loc="left", fontsize=NORMAL)
            letter(axes, mark)
            if rows.is_empty():
                write_note(axes, _reason(table, mark))
            else:
                _draw_rows(axes, rows, unit, is_ratio=mark != "a")
        split = SPLITS[table["split"][0]] if len(table) else ""
        figure.suptitle(f"{split.capitalize()} split", x=0.01, ha="left", fontsize=LARGE, fontweight="bold")
        figure.supxlabel(_legend(split), fontsize=SMALL, color=GREY)
        return save(figure, path)


def _legend(split: str) -> str:
    return (
        f"{split} split, one visit per participant, adjusted for age, sex and body surface area; filled: q < {SIGNIFICANT:g} "
        "(Benjamini-Hochberg)\nnumbers: estimate [95 % interval], participants (a) or cases/participants (b, c); "
        f"†: hazards not proportional (p < {PROPORTIONAL:g})"
    )


def _draw_rows(axes: Axes, rows: pl.DataFrame, unit: str, is_ratio: bool) -> None:
    places = range(len(rows), 0, -1)
    for place, row in zip(places, rows.iter_rows(named=True), strict=True):
        is_firm = row["q"] is not None and row["q"] < SIGNIFICANT
        axes.plot([row["ci_lower"], row["ci_upper"]], [place, place], color=BLUE, linewidth=0.9)
        axes.plot(row["estimate"], place, "o", color=BLUE, markersize=3.5, markerfacecolor=BLUE if is_firm else "white")
        size = f"{row['n']}" if row["events"] is None else f"{row['events']}/{row['n']}"
        mark = " †" if row["ph_p"] is not None and row["ph_p"] < PROPORTIONAL else ""
        axes.text(
            1.02,
            place,
            f"{row['estimate']:.2f} [{row['ci_lower']:.2f}, {row['ci_upper']:.2f}]  {size}{mark}".replace("-", "−"),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL,
        )
    axes.axvline(1.0 if is_ratio else 0.0, color=LIGHT_GREY, linewidth=0.8, zorder=0)
    if is_ratio:
        axes.set_xscale("log")
        _tick_ratios(axes, float(rows["ci_lower"].min()), float(rows["ci_upper"].max()))  # type: ignore[arg-type]
    axes.set_yticks(list(places), rows["label"].to_list(), fontsize=SMALL)
    axes.set_ylim(0.3, len(rows) + 0.7)
    axes.set_xlabel(unit)


def _share(shown: pl.DataFrame, table: pl.DataFrame, analysis: str) -> str:
    """How many regressions are drawn, and why not all."""
    mine = table.filter(pl.col("analysis") == analysis)
    if len(shown) == len(mine):
        return f"all {len(mine)}"
    is_all = len(shown) == mine["estimate"].count()
    return f"{len(shown)} of {len(mine)} {'(no estimate for the others)' if is_all else 'with the smallest p'}"


def _tick_ratios(axes: Axes, smallest: float, largest: float) -> None:
    """Few round ticks in plain numbers: a logarithmic axis over less than a decade has none of its own."""
    coarse, fine = (
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100],
        [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2],
    )
    known = coarse if largest / smallest > 2.5 else fine
    inside = [tick for tick in known if smallest / 1.3 <= tick <= largest * 1.3] or [1]
    axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
    axes.minorticks_off()


def _reason(table: pl.DataFrame, mark: str) -> str:
    analysis = {"a": "trait", "b": "disease", "c": "incident"}[mark]
    notes = table.filter(pl.col("analysis") == analysis)["note"]
    return f"no estimate: {notes[0]}" if len(notes) else "nothing to estimate"
