"""Draw docs/figures/chain.png: one simulated visit from its ECG and cine to an answer in SQL.

python docs/scripts/chain.py WORKSPACE        a published workspace of simulated participants, such as demo/
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import zarr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eccl.features.store import FeatureStore, open_store

FIGURE = Path(__file__).resolve().parents[1] / "figures" / "chain.png"
LEADS = {"II": 1, "V2": 7, "V5": 10}
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#767676", "#1b1b1b"
VISIT = """
SELECT eid, instance, p.recording_row, p.cine_row, e.vector AS ecg_vector, c.vector AS cmr_vector
FROM pairs p JOIN features.ecg_projection_latest e USING (eid, instance) JOIN features.cmr_projection_latest c USING (eid, instance)
ORDER BY eid, instance LIMIT 1
"""
QUESTION = """SELECT short_name AS trait, units,
       t.value AS measured, p.value AS predicted
FROM traits t
JOIN features.trait_prediction_latest p
     USING (eid, instance, field_id)
JOIN fields USING (field_id)
WHERE eid = $eid AND instance = $instance
  AND short_name IN ('LVM', 'LVEDV', 'LVEF', 'RVEDV')"""


def main(workspace: str) -> None:
    """Draw the picture."""
    with open_store(workspace) as store:
        visit = store.sql(VISIT).pl().row(0, named=True)
        answer = _answer(store, visit["eid"], visit["instance"])
    data = Path(workspace) / "data"
    ecg: Any = zarr.open_array(data / "ecg.zarr" / "clean", mode="r")
    cine: Any = zarr.open_array(data / "cine.zarr" / "frames", mode="r")
    figure = plt.figure(figsize=(12.4, 4.0), dpi=110)
    grid = figure.add_gridspec(
        2,
        5,
        width_ratios=[2.5, 0.75, 1.5, 0.75, 3.0],
        hspace=0.35,
        wspace=0.06,
        left=0.02,
        right=0.985,
        top=0.88,
        bottom=0.05,
    )
    _draw_ecg(figure.add_subplot(grid[0, 0]), np.asarray(ecg[visit["recording_row"]]))
    _draw_cine(figure, grid[1, 0], np.asarray(cine[visit["cine_row"]]))
    _draw_arrow(figure.add_subplot(grid[:, 1]), "ingest\nvalidate\ntrain")
    _draw_vector(figure.add_subplot(grid[0, 2]), visit["ecg_vector"], "ECG embedding", BLUE)
    _draw_vector(figure.add_subplot(grid[1, 2]), visit["cmr_vector"], "CMR embedding", ORANGE)
    _draw_arrow(figure.add_subplot(grid[:, 3]), "publish")
    _draw_answer(figure.add_subplot(grid[:, 4]), answer)
    figure.savefig(FIGURE, metadata={"Software": None})


def _answer(store: FeatureStore, eid: int, instance: int) -> str:
    query = QUESTION.replace("$eid", str(eid)).replace("$instance", str(instance))
    rows = store.sql(query).fetchall()
    lines = [f"{'trait':<8}{'units':<7}{'measured':>9}{'predicted':>11}"]
    return "\n".join(
        [*lines, *(f"{name:<8}{units:<7}{value:>9.1f}{guess:>11.1f}" for name, units, value, guess in rows)]
    )


def _draw_ecg(axes: Axes, ecg: np.ndarray) -> None:
    seconds = np.arange(1500) / 500
    for place, (name, lead) in enumerate(LEADS.items()):
        axes.plot(seconds, ecg[lead, :1500] / 1000 - 2.2 * place, color=INK, linewidth=0.7)
        axes.text(-0.04, -2.2 * place, name, ha="right", va="center", fontsize=8, color=GREY)
    axes.set_title("ECG, field 20205 (3 of 12 leads, 3 of 10 s)", fontsize=9, loc="left")
    axes.axis("off")


def _draw_cine(figure: Figure, place: Any, frames: np.ndarray) -> None:
    grid = place.subgridspec(1, 4, wspace=0.04)
    for column, frame in enumerate((0, 9, 18, 34)):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(frames[frame], cmap="gray", vmin=0, vmax=np.percentile(frames, 99.5))
        axes.axis("off")
        if column == 0:
            axes.set_title("Short-axis cine, field 20209 (4 of 50 frames)", fontsize=9, loc="left")


def _draw_vector(axes: Axes, vector: Any, title: str, colour: str) -> None:
    values = np.asarray(vector, dtype=float)
    side = int(np.sqrt(len(values)))
    limit = np.abs(values).max()
    axes.imshow(values[: side * side].reshape(side, side), cmap="PuOr", vmin=-limit, vmax=limit)
    axes.set_title(f"{title} ({len(values)})", fontsize=9, color=colour)
    axes.axis("off")


def _draw_arrow(axes: Axes, text: str) -> None:
    axes.axis("off")
    axes.annotate("", (0.95, 0.5), (0.05, 0.5), arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.6})
    axes.text(0.5, 0.54, text, ha="center", va="bottom", fontsize=9, color=GREY)


def _draw_answer(axes: Axes, answer: str) -> None:
    axes.axis("off")
    axes.set_title("Features in SQL (simulated participants)", fontsize=9, loc="left")
    axes.text(0, 1, QUESTION, parse_math=False, family="monospace", fontsize=8, va="top", color=BLUE)
    axes.text(0, 0.44, answer, family="monospace", fontsize=8, va="top", color=INK)


if __name__ == "__main__":
    main(sys.argv[1])
