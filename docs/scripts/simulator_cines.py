"""Draw docs/figures/simulator_cines.png: four simulated hearts at end-diastole and end-systole, as they are stored.

python docs/scripts/simulator_cines.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from eccl.image.cine import PreparedCine, prepare_cine
from eccl.simulate import HeartState, SimulationConfig, draw_cohort
from eccl.simulate.cine.render import plan_scan
from eccl.simulate.heart.contours import emptying

FIGURE = Path(__file__).resolve().parents[1] / "figures" / "simulator_cines.png"
ANTERIOR = [6, 7, 12, 13]  # mid anterior and anteroseptal, apical anterior and septal (AHA 7, 8, 13, 14)
SEED = 5
HALF_PX = 48  # half side of a panel, around the middle of the heart box


def main() -> None:
    """Choose the hearts, render and draw them."""
    cohort = draw_cohort(SimulationConfig(participants=600, seed=31))
    states = [person.imaging.state for person in cohort if not person.imaging.state.atrial_fibrillation]
    hearts = {
        "normal": _most(states, lambda s: -abs(s.lv_edv - 140) - 400 * abs(s.lv_ef - 0.6) - 1000 * float(s.scar.sum())),
        "anterior scar": _most(states, lambda s: float(s.scar[ANTERIOR].sum()) - 8 * abs(s.lv_ef - 0.48)),
        "dilated": _most(states, lambda s: s.lv_edv - 500 * s.lv_ef - 300 * float(s.scar.sum())),
        "hypertrophic": _most([s for s in states if s.hypertrophic], lambda s: float(s.wall_thickness[7:9].mean())),
    }
    figure, axes = plt.subplots(2, len(hearts), figsize=(9.6, 5.2), layout="constrained")
    for column, (name, state) in zip(axes.T, hearts.items(), strict=True):
        cine = _stored(state)
        systole = int(emptying(state, len(cine.frames)).argmax())
        for axis, frame, when in zip(column, (0, systole), ("end-diastole", "end-systole"), strict=True):
            _show(axis, cine, frame)
            axis.set_title(f"{name}, {when}" if frame == 0 else when, fontsize=8)
        column[1].set_xlabel(f"EDV {state.lv_edv:.0f} mL, EF {100 * state.lv_ef:.0f} %", fontsize=8)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=110)


def _most(states: list[HeartState], score: Callable[[HeartState], float]) -> HeartState:
    return max(states, key=score)


def _stored(state: HeartState) -> PreparedCine:
    scan = plan_scan(state, np.random.default_rng(SEED), slices=5)
    return prepare_cine(scan.render, len(scan.offsets_mm), (scan.spacing_mm, scan.spacing_mm))


def _show(axis: plt.Axes, cine: PreparedCine, frame: int) -> None:
    axis.imshow(cine.frames[frame], cmap="gray", vmin=0, vmax=np.percentile(cine.frames, 99.7), interpolation="nearest")
    box = cine.box
    axis.add_patch(
        Rectangle(
            (box.left - 0.5, box.top - 0.5), box.width, box.height, fill=False, edgecolor="#f5b301", linewidth=0.9
        )
    )
    row, column = box.centre
    axis.set_xlim(column - HALF_PX, column + HALF_PX)
    axis.set_ylim(row + HALF_PX, row - HALF_PX)
    axis.set_xticks([])
    axis.set_yticks([])


if __name__ == "__main__":
    main()
