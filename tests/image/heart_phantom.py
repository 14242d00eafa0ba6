"""A drawn thorax with a beating heart, with the nuisances that mislead a motion detector."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MM = tuple[float, float]


@dataclass(frozen=True)
class Thorax:
    """Lengths in mm; `heart` is the LV centre as (down, right) from the image centre, `angle` the way to the RV."""

    heart: MM = (10.0, 20.0)
    angle: float = 200.0
    spacing: MM = (1.6, 1.6)
    matrix: tuple[int, int] = (208, 210)
    frames: int = 30
    size: float = 1.0
    contraction: float = 0.3
    noise: float = 0.0
    wall_beat: float = 0.0  # chest wall moving with the heart beat
    drift: float = 0.0  # everything moving over the breath-hold
    ghost: float = 0.0  # a shifted copy of the picture, as phase errors make
    brightness: float = 1.0  # of the chest wall
    vessel: MM | None = None  # a vessel that flashes with the flow
    seed: int = 0
    extents: MM = field(default=(130.0, 165.0))


def draw(thorax: Thorax) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Frames (t, y, x) in arbitrary units and the heart's outline over the whole cycle (y, x)."""
    rng = np.random.default_rng(thorax.seed)
    rows = (np.arange(thorax.matrix[0]) - thorax.matrix[0] / 2) * thorax.spacing[0]
    columns = (np.arange(thorax.matrix[1]) - thorax.matrix[1] / 2) * thorax.spacing[1]
    frames, heart = [], np.zeros(thorax.matrix, dtype=bool)
    for t in range(thorax.frames):
        phase = 2 * np.pi * t / thorax.frames
        shift = thorax.drift * t / thorax.frames
        image, mask = _frame(thorax, rows[:, None] - shift, columns[None, :], (1 - np.cos(phase)) / 2, np.sin(phase))
        heart |= mask
        image = ndimage.gaussian_filter(image, [0.8 / spacing for spacing in thorax.spacing])
        image = image + thorax.ghost * np.roll(image, thorax.matrix[0] // 2, axis=0)
        frames.append(image + rng.normal(0, thorax.noise * 300, thorax.matrix))
    return np.stack(frames), heart


def _frame(
    thorax: Thorax, y: NDArray[np.float64], x: NDArray[np.float64], squeeze: float, beat: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    wall = thorax.wall_beat * beat
    a, b = thorax.extents
    body = (y / (a + wall)) ** 2 + (x / (b + wall)) ** 2
    image = np.where(body < 1, 400.0 * thorax.brightness, 0.0)  # fat
    image[(y / (a - 14 + wall)) ** 2 + (x / (b - 14 + wall)) ** 2 < 1] = 60.0  # lung
    image[((y - 75) / 40) ** 2 + ((x + 50) / 70) ** 2 < 1] = 180.0  # liver
    image[np.hypot(y - 50, x - 30) < 11 + 0.5 * beat] = 300.0  # descending aorta
    if thorax.vessel is not None:
        image[np.hypot(y - thorax.vessel[0], x - thorax.vessel[1]) < 9] = 250 + 250 * beat
    cy, cx = thorax.heart
    angle = np.deg2rad(thorax.angle)
    ry, rx = cy + 38 * thorax.size * np.sin(angle), cx + 38 * thorax.size * np.cos(angle)
    inner = 25 * thorax.size * (1 - thorax.contraction * squeeze)
    outer = 35 * thorax.size * (1 - 0.25 * thorax.contraction * squeeze)
    right = 27 * thorax.size * (1 - 0.7 * thorax.contraction * squeeze)
    rv = np.hypot(y - ry, (x - rx) * 1.1) < right
    lv = np.hypot(y - cy, x - cx)
    image[rv] = 320.0
    image[lv < outer] = 110.0
    image[lv < inner] = 350.0
    return image, rv | (lv < outer)
