"""What surrounds the heart in a short-axis image: body, fat, lungs, liver, spine, aorta, and the coil's shading."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.heart.state import HeartState

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signals:
    """Signal of tissues relative to left ventricular blood, as bSSFP at 1.5 T shows it [M]; the usual study's values."""

    myocardium: float = 0.41
    rv_blood: float = 0.93
    fat: float = 1.15
    liver: float = 0.50
    muscle: float = 0.38
    lung: float = 0.08
    bone: float = 0.40
    papillary: float = 0.44
    stomach: float = 0.30
    vessel: float = 0.95
    epicardial_fat: float = 0.75


# Relative SD between studies: flip angle, inflow, shim and the coil's distance [M].
SIGNAL_SD = {"myocardium": 0.05, "rv_blood": 0.03, "fat": 0.10, "liver": 0.06, "lung": 0.25, "epicardial_fat": 0.12}
SHADING_SD = 0.25  # of the coil's slope [P]


def draw_signals(rng: np.random.Generator) -> Signals:
    """One study's contrasts: blood of the right ventricle is never brighter than 98 % of the left one's."""
    usual, drawn = Signals(), {}
    for name, sd in SIGNAL_SD.items():
        drawn[name] = float(getattr(usual, name) * np.exp(sd * np.clip(rng.standard_normal(), -2.0, 2.0)))
    drawn["rv_blood"] = min(drawn["rv_blood"], 0.98)
    return replace(usual, papillary=drawn["myocardium"] + 0.03, **drawn)


@dataclass(frozen=True, slots=True, eq=False)
class ImagePlane:
    """Pixel grid of a study: mm right (`x`) and down (`y`) of the LV's centre, each (rows, columns)."""

    x: Image
    y: Image
    spacing_mm: float
    centre_row: float
    centre_column: float


def image_plane(rows: int, columns: int, spacing_mm: float, centre: tuple[float, float]) -> ImagePlane:
    """Grid around a centre given as shares of height and width."""
    row, column = centre[0] * rows, centre[1] * columns
    y, x = np.meshgrid(
        (np.arange(rows, dtype=np.float32) - row) * spacing_mm,
        (np.arange(columns, dtype=np.float32) - column) * spacing_mm,
        indexing="ij",
    )
    return ImagePlane(x.astype(np.float32), y.astype(np.float32), spacing_mm, row, column)


def _ellipse(plane: ImagePlane, x: float, y: float, half_x: float, half_y: float) -> Image:
    """Soft mask of an ellipse, one pixel wide at its edge."""
    radius = np.sqrt(((plane.x - x) / half_x) ** 2 + ((plane.y - y) / half_y) ** 2)
    edge = plane.spacing_mm / min(half_x, half_y)
    return np.asarray(np.clip((1.0 - radius) / edge + 0.5, 0.0, 1.0), dtype=np.float32)


def draw_torso(
    state: HeartState, plane: ImagePlane, signals: Signals, layout: NDArray[np.float64], slice_mm: float
) -> Image:
    """Static background of one slice.

    Parameters
    ----------
    signals
        The study's contrasts.
    layout
        Twelve standard normals that place one person's organs; the same for all slices of a study.
    slice_mm
        Position of the slice along the heart's axis, from the mid slice towards the apex.
    """
    bulk = float(np.clip(1.0 + 0.018 * (state.bmi - 26.0), 0.85, 1.25))
    half_x, half_y = 158.0 * bulk + 4 * layout[0], 124.0 * bulk + 4 * layout[1]
    body_x, body_y = -20.0 + 4 * layout[2], 44.0 + 4 * layout[3] + 60.0 * (bulk - 1.0)
    fat_mm = float(np.clip(12.0 + 1.4 * (state.bmi - 25.0), 5.0, 36.0))
    body = _ellipse(plane, body_x, body_y, half_x, half_y)
    image = signals.fat * body

    def paint(value: float, x: float, y: float, rx: float, ry: float) -> None:
        nonlocal image
        image = image + (value - image) * _ellipse(plane, x, y, rx, ry) * chest

    chest = _ellipse(plane, body_x, body_y, half_x - fat_mm, half_y - fat_mm)
    paint(signals.muscle, body_x, body_y, half_x, half_y)
    inner_x, inner_y = half_x - fat_mm - 14.0, half_y - fat_mm - 14.0
    chest = _ellipse(plane, body_x, body_y, inner_x + 4.0, inner_y + 4.0)
    paint(signals.lung, body_x + 0.50 * inner_x, body_y - 4, 0.52 * inner_x, 0.90 * inner_y)
    paint(signals.lung, body_x - 0.52 * inner_x, body_y - 8, 0.48 * inner_x, 0.86 * inner_y)
    paint(signals.muscle, body_x, body_y, 0.16 * inner_x, 0.95 * inner_y)
    # The dome rises into the plane towards the apex; the stomach is beside it.
    dome = 35.0 + 9 * layout[4] + 0.5 * slice_mm
    paint(signals.liver, body_x - 48.0, body_y + 92.0 - dome, 84.0, 52.0)
    paint(signals.stomach, body_x + 62.0, body_y + 88.0 - 0.8 * dome, 42.0, 26.0)
    paint(signals.bone, body_x + 4 * layout[5], body_y + inner_y - 14.0, 20.0, 18.0)
    aorta = float(np.sqrt(state.dao_area / np.pi))
    paint(signals.vessel, body_x + 30.0 + 3 * layout[6], body_y + inner_y - 28.0 + 2 * layout[7], aorta, aorta)
    # A pad of fat between the heart and the chest wall; the fat on the heart moves with it and is painted there.
    size = float(np.cbrt(state.lv_edv / 145.0))
    paint(1.1 * signals.epicardial_fat, -34.0 * size, (-37.0 + layout[8]) * size, 22.0 + 2 * layout[9], 10.0)
    return np.asarray(image, dtype=np.float32)


def coil_shading(plane: ImagePlane, layout: NDArray[np.float64]) -> Image:
    """Multiplicative bias field: the front of the chest up to twice as bright as the back."""
    slope = -0.0028 * float(np.exp(SHADING_SD * np.clip(layout[10] * layout[11], -2.0, 2.0)))
    log_field = slope * plane.y + 0.0006 * layout[10] * plane.x + 4e-6 * layout[11] * plane.x * plane.y
    return np.asarray(np.clip(np.exp(log_field), 0.5, 2.2), dtype=np.float32)
