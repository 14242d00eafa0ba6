"""R of every trait as a figure, grouped by what the trait measures."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from eccl.evaluation.conventions import SPLITS
from eccl.evaluation.panels import Panel, make_points
from eccl.evaluation.style import COLOURS, GREY, LIGHT_GREY, SERIES, SMALL, drawing, save, write_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = (
    ("Ventricles", range(24100, 24110)),
    ("Atria", range(24110, 24118)),
    ("Aorta", range(24118, 24124)),
    ("Wall thickness (AHA segment)", range(24124, 24141)),
    ("Circumferential strain (AHA segment)", range(24141, 24158)),
    ("Radial strain (AHA segment)", range(24158, 24175)),
    ("Longitudinal strain", range(24175, 24182)),
)
_ROWS = (GROUPS[:4], GROUPS[4:])
"""41 traits each."""
_SEGMENT = re.compile(r"^(WT|Ecc|Err|Ell)_(AHA_)?")


def draw(panels: list[Panel], path: Path) -> list[Path]:
    """Draw the groups in two rows: mean and standard deviation over the seeds of every trait."""
    with drawing(height=4.6) as figure:
        # What is missing is one of both arms, and the same in every panel.
        lack = next((panel.missing for panel in panels if panel.missing), "")
        if all(panel.points.is_empty() for panel in panels):
            write_note(figure.subplots(), lack)
        else:
            _draw_groups(figure, {panel.name: panel for panel in panels})
            if lack:
                figure.supxlabel(lack, fontsize=SMALL, color=GREY)
        return save(figure, path)


def draw_traits(traits: pl.DataFrame, split: str, path: Path) -> None:
    """Draw R per trait from scores instead of runs.

    Parameters
    ----------
    traits
        arm, field_id, short_name, r; a row per trait and arm.
    path
        The PNG file; an SVG of the same name is written beside it.
    """
    named = traits.rename({"arm": "series", "short_name": "label", "r": "y"}).filter(pl.col("y").is_not_null())
    panels = []
    for title, fields in GROUPS:
        group = named.filter(pl.col("field_id").is_in(list(fields)))
        places = {field: float(place) for place, field in enumerate(group["field_id"].unique(maintain_order=True))}
        rows = group.with_columns(
            x=pl.col("field_id").replace_strict(places, return_dtype=pl.Float64), run=pl.lit(""), split=pl.lit(split)
        )
        points = make_points(rows.select("series", "x", "y", "label", "run", "split").iter_rows(named=True))
        panels.append(Panel(title, title, points))
    draw(panels, path)


def _draw_groups(figure: Figure, panels: dict[str, Panel]) -> None:
    points = pl.concat([panel.points for panel in panels.values()])
    ticks = _ticks(points)
    halves: Any = figure.subfigures(2, 1)
    for half, groups in zip(halves, _ROWS, strict=True):
        row = half.subplots(1, len(groups), sharey=True, width_ratios=[len(fields) + 1.5 for _, fields in groups])
        for axes, (title, fields) in zip(row, groups, strict=True):
            axes.set_title(title, fontsize=7)
            axes.set_ylim(ticks[0] - 0.06, 1.06)
            axes.set_yticks(ticks)
            axes.set_xlim(-1, len(fields))
            _draw_group(axes, panels[title].points)
        row[0].set_ylabel("Pearson R")
    handles = {
        name: handle for axes in figure.axes for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    seeds = points.group_by("series").agg(pl.col("run").n_unique())["run"].max()
    spread = f"mean and SD over {seeds} seeds" if isinstance(seeds, int) and seeds > 1 else "one seed"
    title = f"R of each trait, {SPLITS[points['split'][0]]} split ({spread})"
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=len(handles), title=title)


def _ticks(points: pl.DataFrame) -> list[float]:
    """Quarters from 1 down to 0, and below as far as a mean or its spread reaches."""
    spread = points.group_by("series", "x").agg(pl.col("y").mean().alias("mean"), pl.col("y").std().fill_null(0))
    lowest = float((spread["mean"] - spread["y"]).min() or 0.0)  # type: ignore[arg-type]
    below = min(4, max(0, math.ceil(-4 * lowest)))
    return [quarter / 4 for quarter in range(-below, 5)]


def _draw_group(axes: Axes, points: pl.DataFrame) -> None:
    axes.axhline(0, color=LIGHT_GREY, linewidth=0.6, zorder=0)
    axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.3)
    axes.set_axisbelow(True)
    for number, arm in enumerate(points["series"].unique(maintain_order=True)):
        mine = points.filter(pl.col("series") == arm).group_by("x", maintain_order=True)
        scores = mine.agg(pl.col("y").mean().alias("mean"), pl.col("y").std().fill_null(0))
        axes.errorbar(
            scores["x"].to_numpy(),
            scores["mean"].to_numpy(),
            yerr=scores["y"].to_numpy(),
            fmt="os^D"[number % 4],
            markersize=2.6,
            linewidth=0.8,
            color=SERIES.get(arm, COLOURS[(number + 2) % len(COLOURS)]),
            label=arm,
            clip_on=False,
        )
    names = points.unique("x", maintain_order=True).sort("x")
    labels = [_SEGMENT.sub("", name).replace("_", " ") for name in names["label"]]
    axes.set_xticks(names["x"].to_numpy(), labels, rotation=90, fontsize=SMALL)
    axes.tick_params(axis="x", length=1.5, pad=1)
