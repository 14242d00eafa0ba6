"""Figure 2d: ECG features before and after alignment, by disease."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.evaluation.conventions import NAMES, SPLITS
from eccl.evaluation.panels import Panel, empty_panel
from eccl.evaluation.style import GREY, SMALL, VERMILION, drawing, save, write_note
from eccl.study.figures.data import MISSING, Scene, draw_some, explain, find_runs, read_vectors, visit_points
from eccl.study.figures.maps import map_umap
from eccl.study.figures.projection_before import compute_before
from eccl.training.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "2d"
MOST = 4000
"""Visits on a map: more would cover each other."""
CASE, OTHER = "case", "no record"
_TIMES = ("before", "after")
Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]


def collect(scene: Scene) -> list[Panel]:
    """Panels ``I21 before``, ``I21 after``, ...: the reference arm's encoder of each disease, at the first seed."""
    shown = draw_some(len(scene.truth), MOST)
    starts: dict[str, Vectors] = {}
    panels: list[Panel] = []
    for code in scene.truth.labels:
        titles = {time: f"{NAMES.get(code, code)} ({code}), {time}" for time in _TIMES}
        try:
            run = find_runs(scene, scene.reference, code, "ecg_embedding")[0]
        except MISSING as error:
            panels += [empty_panel(f"{code} {time}", titles[time], str(error)) for time in _TIMES]
            continue
        for time, title in titles.items():
            make = partial(_panel, scene, run, code, time, title, shown, starts)
            panels.append(explain(f"{code} {time}", title, make))
    return panels


def _start(scene: Scene, run: Run, shown: Positions, starts: dict[str, Vectors]) -> Vectors:
    """Features before alignment; runs that start from the same weights and scale recordings equally share them."""
    parents = [
        str(one["weights_sha256"]) for one in run.record["parents"] if str(one["run"]).startswith("pretrain_ecg")
    ]
    key = f"{parents} {run.params['config']['augment']['scaling']}" if parents else run.run_id
    if key not in starts:
        starts[key] = compute_before(scene, run, shown).features
    return starts[key]


def _panel(
    scene: Scene, run: Run, code: str, time: str, title: str, shown: Positions, starts: dict[str, Vectors]
) -> Panel:
    name = str(run.record["run"])
    is_start = time == "before"
    features = _start(scene, run, shown, starts) if is_start else read_vectors(scene, name, "ecg_embedding")[shown]
    labels = scene.truth.labels[code][shown]
    known = np.flatnonzero(~np.isnan(labels))
    series = [CASE if value else OTHER for value in labels[known]]
    points = visit_points(scene.truth.visits[shown[known]], map_umap(features)[known], series, name, scene.truth.split)
    return Panel(f"{code} {time}", f"{title}\n{series.count(CASE)} cases of {len(series)}", points)


def draw(panels: list[Panel], path: Path) -> list[Path]:
    """Draw a column per disease: before alignment above, after it below."""
    above, below = panels[0::2], panels[1::2]
    with drawing(height=4.4) as figure:
        grid = figure.subplots(2, max(len(above), 1), squeeze=False)
        for row, some in zip(grid, (above, below), strict=True):
            for axes, panel in zip(row, some, strict=True):
                axes.set_title(panel.title, fontsize=7)
                if panel.missing:
                    write_note(axes, panel.missing)
                else:
                    _draw_map(axes, panel.points)
        drawn = next((axes for axes in figure.axes if axes.get_legend_handles_labels()[0]), None)
        if drawn is not None:
            figure.legend(*drawn.get_legend_handles_labels(), loc="outside upper right", ncols=2, markerscale=1.5)
            points = next(panel.points for panel in panels if not panel.missing)
            text = (
                f"UMAP of the ECG encoder's features, {SPLITS[points['split'][0]]} split; before: as alignment starts; "
                "after: aligned for that disease"
            )
            figure.supxlabel(text, fontsize=SMALL, color=GREY)
        return save(figure, path)


def _draw_map(axes: Axes, points: pl.DataFrame) -> None:
    for series, colour, size, marker in ((OTHER, GREY, 4, "o"), (CASE, VERMILION, 9, "D")):
        mine = points.filter(pl.col("series") == series)
        axes.scatter(
            mine["x"].to_numpy(),
            mine["y"].to_numpy(),
            s=size,
            color=colour,
            marker=marker,
            linewidths=0,
            alpha=0.8 if series == CASE else 0.45,
            label=series,
            rasterized=len(mine) > 1000,
        )
    axes.set_xticks([])
    axes.set_yticks([])
