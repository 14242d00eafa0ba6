"""Figure 2a: ECG and CMR of the same visits in the shared space, before and after alignment."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.evaluation.conventions import SPLITS
from eccl.evaluation.panels import Panel, empty_panel
from eccl.evaluation.retrieval import ranks_of_own, summarise
from eccl.evaluation.style import GREY, LIGHT_GREY, NORMAL, SERIES, SMALL, drawing, letter, save, write_note
from eccl.study.figures.data import MISSING, Scene, draw_some, explain, find_runs, read_vectors, visit_points
from eccl.study.figures.maps import map_tsne
from eccl.study.figures.projection_before import compute_before
from eccl.training.inputs.targets import TRAITS
from eccl.training.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "2a"
SEARCHED, SHOWN = 1000, 150
"""Pairs among which each ECG's own CMR is searched for, and pairs that are drawn: of more, the lines hide the points."""
_TITLES = {"before": "Before alignment", "after": "After alignment"}

Positions = NDArray[np.int64]


def collect(scene: Scene) -> list[Panel]:
    """Panels ``before`` and ``after`` of the reference arm's encoder of the traits, at the first seed."""
    try:
        run = find_runs(scene, scene.reference, TRAITS, "ecg_projection")[0]
    except MISSING as error:
        return [empty_panel(name, title, str(error)) for name, title in _TITLES.items()]
    searched = draw_some(len(scene.truth), SEARCHED)
    return [explain(name, title, partial(_panel, scene, run, name, searched)) for name, title in _TITLES.items()]


def _panel(scene: Scene, run: Run, name: str, searched: Positions) -> Panel:
    of_run = str(run.record["run"])
    if name == "before":
        start = compute_before(scene, run, searched)
        z_ecg, z_cmr = start.z_ecg, start.z_cmr
    else:
        z_ecg, z_cmr = (read_vectors(scene, of_run, view)[searched] for view in ("ecg_projection", "cmr_projection"))
    shown = draw_some(len(searched), SHOWN, seed=1)
    place = map_tsne(np.concatenate([z_ecg[shown], z_cmr[shown]]))
    visits, split = scene.truth.visits[searched[shown]], scene.truth.split
    halves = zip(("ECG", "CMR"), np.split(place, 2), strict=True)
    points = pl.concat([visit_points(visits, half, series, of_run, split) for series, half in halves])
    found = summarise(ranks_of_own(z_ecg, z_cmr)[0])
    text = (
        f"own CMR first: {found['recall_at_1']:.1%} (chance {found['chance_at_1']:.1%}), "
        f"median rank {found['median_rank']:g} of {found['n']}"
    )
    return Panel(name, f"{_TITLES[name]}\n{text}", points)


def draw(panels: list[Panel], path: Path) -> list[Path]:
    """Draw both panels; a line joins the two points of a visit."""
    with drawing(height=3.7) as figure:
        for axes, panel, mark in zip(figure.subplots(1, 2), panels, "ab", strict=True):
            axes.set_title(panel.title, fontsize=NORMAL)
            letter(axes, mark)
            if panel.missing:
                write_note(axes, panel.missing)
            else:
                _draw_space(axes, panel.points)
        drawn = next((panel for panel in panels if not panel.missing), None)
        if drawn is not None:
            first = drawn.points.row(0, named=True)
            figure.supxlabel(
                f"t-SNE of z (cosine), {len(drawn.points) // 2} visits of the {SPLITS[first['split']]} split, run {first['run']}; "
                "a line joins the ECG and the CMR of one visit",
                fontsize=SMALL,
                color=GREY,
            )
            handles, names = next(
                axes.get_legend_handles_labels()
                for axes, panel in zip(figure.axes, panels, strict=True)
                if not panel.missing
            )
            figure.legend(handles, names, loc="outside upper right", ncols=2)
        return save(figure, path)


def _draw_space(axes: Axes, points: pl.DataFrame) -> None:
    ecg, cmr = (points.filter(pl.col("series") == series) for series in ("ECG", "CMR"))
    ends = np.stack([ecg.select("x", "y").to_numpy(), cmr.select("x", "y").to_numpy()])
    axes.plot(ends[:, :, 0], ends[:, :, 1], color=LIGHT_GREY, linewidth=0.4, zorder=1)
    for series, place, marker in (("ECG", ends[0], "o"), ("CMR", ends[1], "^")):
        axes.scatter(
            place[:, 0],
            place[:, 1],
            s=9,
            color=SERIES[series],
            marker=marker,
            linewidths=0.2,
            edgecolors="white",
            label=series,
            zorder=2,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("first coordinate")
    axes.set_ylabel("second coordinate")
