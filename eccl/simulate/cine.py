"""A short-axis cine study from a heart's state: contours painted over a torso, shading, blood flow, Rician noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.cardiac_cycle import emptying
from eccl.simulate.contours import Contours, slice_contours
from eccl.simulate.heart import HeartState
from eccl.simulate.torso import (
    FAT,
    MYOCARDIUM,
    PAPILLARY,
    RV_BLOOD,
    Image,
    ImagePlane,
    coil_shading,
    draw_torso,
    image_plane,
)

SLICE_THICKNESS_MM, SLICE_STEP_MM = 8.0, 10.0
HEART_WINDOW_MM = 84.0  # half side of the window that moves
BLOOD_LEVEL = 160.0  # grey level of blood [P]; a study's scale varies with log-SD .35
BLOOD_SNR = 30.0  # [M]
POINT_SPREAD_PX = 1.25  # [M]
RV_WALL_MM = 3.0
PAPILLARY_ANGLES_DEG = (-50.0, 215.0)
LARGEST_VALUE = 4095  # 12 bits stored
NOISE_BANK = 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class Cine:
    """A study: frames (slices, frames, rows, columns) uint16 from base to apex, and where they lie.

    `offsets_mm` are positions along the axis from the mid slice towards the apex, `centre_px` the LV's (row, column).
    """

    frames: NDArray[np.uint16]
    spacing_mm: float
    offsets_mm: tuple[float, ...]
    centre_px: tuple[float, float]
    rr_ms: float


def render_cine(
    state: HeartState,
    rng: np.random.Generator,
    *,
    slices: int = 5,
    frames: int = 50,
    matrix: tuple[int, int] = (208, 187),
) -> NDArray[np.uint16]:
    """Render a short-axis stack; arguments as in :func:`record_cine`.

    Returns
    -------
    (slices, frames, rows, columns) uint16
        Values below 4096; slice 0 is the most basal, frame 0 is end-diastole.
    """
    return record_cine(state, rng, slices=slices, frames=frames, matrix=matrix).frames


def record_cine(
    state: HeartState,
    rng: np.random.Generator,
    *,
    slices: int = 5,
    frames: int = 50,
    matrix: tuple[int, int] = (208, 187),
) -> Cine:
    """Render a stack of `slices` planes, 10 mm apart and centred on the mid-ventricle, of `frames` frames each."""
    rows, columns = matrix
    spacing = float(rng.choice([1.770833, 1.8, 1.826923]))
    centre = (0.46 + 0.02 * rng.standard_normal(), 0.55 + 0.02 * rng.standard_normal())
    plane = image_plane(rows, columns, spacing, centre)
    layout = rng.standard_normal(12)
    rotation = float(np.clip(12.0 * rng.standard_normal(), -30.0, 30.0))
    scale = BLOOD_LEVEL * float(np.exp(0.35 * rng.standard_normal()))
    shading = coil_shading(plane, layout) * scale
    window = _heart_window(plane)
    polar = _PolarGrid.of(plane, window, rotation)
    empty = emptying(state, frames)
    bank = rng.standard_normal(NOISE_BANK, dtype=np.float32) * np.float32(scale / BLOOD_SNR)
    texture = _flow_texture(rng, polar.radius.shape)
    offsets = tuple((i - (slices - 1) / 2.0) * SLICE_STEP_MM for i in range(slices))
    out = np.empty((slices, frames, rows, columns), dtype=np.uint16)
    for index, offset in enumerate(offsets):
        background = draw_torso(state, plane, layout, offset)
        contours = slice_contours(state, empty, 0.5 * state.lv_length + offset)
        heart = _paint_heart(contours, polar, background[window], texture, empty)
        _expose(out[index], background * shading, heart * shading[window], window, bank, rng)
    return Cine(out, spacing, offsets, (plane.centre_row, plane.centre_column), 60_000.0 / state.cmr_heart_rate)


def _heart_window(plane: ImagePlane) -> tuple[slice, slice]:
    rows, columns = plane.x.shape
    half = round(HEART_WINDOW_MM / plane.spacing_mm)
    row, column = round(plane.centre_row), round(plane.centre_column)
    # The right ventricle lies on the left of the image: the window reaches further there.
    return (
        slice(max(row - int(0.75 * half), 0), min(row + int(0.75 * half), rows)),
        slice(max(column - half, 0), min(column + int(0.65 * half), columns)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _PolarGrid:
    """Distance from the LV axis (mm) and whole-degree AHA angle of every pixel of the window."""

    radius: Image
    degree: NDArray[np.intp]
    x: Image
    y: Image
    spacing_mm: float

    @classmethod
    def of(cls, plane: ImagePlane, window: tuple[slice, slice], rotation_deg: float) -> _PolarGrid:
        turn = np.deg2rad(rotation_deg)
        x0, y0 = plane.x[window], plane.y[window]
        x = (np.cos(turn) * x0 - np.sin(turn) * y0).astype(np.float32)
        y = (np.sin(turn) * x0 + np.cos(turn) * y0).astype(np.float32)
        # 0 degrees is up (anterior), +90 is left in the image (septum).
        degree = np.rint(np.rad2deg(np.arctan2(-x, -y))).astype(np.intp) % 360
        return cls(np.hypot(x, y), degree, x, y, plane.spacing_mm)


def _inside(edge: NDArray[np.float64], polar: _PolarGrid, blur_mm: NDArray[np.float64]) -> Image:
    """Share of each pixel inside a contour: (frames, 360) radii -> (frames, rows, columns)."""
    blur = blur_mm.astype(np.float32)[:, None, None]
    scaled = edge.astype(np.float32)[:, polar.degree]
    scaled -= polar.radius
    scaled /= blur
    scaled += np.float32(0.5)
    return np.asarray(np.clip(scaled, 0.0, 1.0, out=scaled))


def _paint_heart(
    contours: Contours, polar: _PolarGrid, background: Image, texture: Image, empty: NDArray[np.float64]
) -> Image:
    """Relative signal of the moving window, (frames, rows, columns)."""
    # A thick slice through a tapering wall blurs its edge: slope of the ellipsoid times the thickness.
    level = np.minimum(contours.level, 0.95)
    slope = np.minimum(0.3 * level / np.sqrt(1.0 - level**2), 1.2)
    blur = np.hypot(POINT_SPREAD_PX * polar.spacing_mm, slope * SLICE_THICKNESS_MM * 0.6)
    blood = _inside(contours.endo, polar, blur)
    wall = _inside(contours.epi, polar, blur)
    rv = _inside(contours.rv, polar, blur)
    rv_wall = _inside(contours.rv + RV_WALL_MM * (contours.rv > contours.epi + 0.5), polar, blur)
    swirl = texture[0] * np.cos(2 * np.pi * empty)[:, None, None].astype(np.float32)
    swirl += texture[1] * np.sin(2 * np.pi * empty)[:, None, None].astype(np.float32)
    swirl += np.float32(1.0)
    muscle = (contours.level[0] > 0.25) & (contours.level[0] < 0.8)
    lv_signal = swirl - (1.0 - PAPILLARY) * _papillary(contours, polar, empty) if muscle else swirl
    signal = background + (MYOCARDIUM - background) * rv_wall
    signal += (RV_BLOOD * swirl - signal) * rv
    signal += (MYOCARDIUM - signal) * wall
    signal += (lv_signal - signal) * blood
    return np.asarray(np.clip(signal, 0.0, 1.5 * FAT), dtype=np.float32)


def _papillary(contours: Contours, polar: _PolarGrid, empty: NDArray[np.float64]) -> Image:
    """Two papillary muscles that follow the inner wall and turn by 5 degrees with torsion."""
    total = np.zeros((len(empty), *polar.radius.shape), dtype=np.float32)
    frame = np.arange(len(empty))
    for angle in PAPILLARY_ANGLES_DEG:
        turned = np.deg2rad(angle + 5.0 * empty)
        inner = contours.endo[frame, np.rint(np.rad2deg(turned)).astype(int) % 360]
        distance = np.maximum(inner - 5.0, 0.45 * inner)
        x = (-np.sin(turned) * distance).astype(np.float32)[:, None, None]
        y = (-np.cos(turned) * distance).astype(np.float32)[:, None, None]
        near = ((polar.x - x) ** 2 + (polar.y - y) ** 2) / np.float32(3.4**2)
        total += np.exp(-(near**2))
    return np.asarray(np.minimum(total, 1.0))


def _flow_texture(rng: np.random.Generator, shape: tuple[int, ...]) -> Image:
    """Two smooth fields of 8 % that mix over the cycle: inflow and swirl of blood."""
    coarse = rng.standard_normal((2, shape[0] // 8 + 2, shape[1] // 8 + 2))
    fine = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)
    for axis in (1, 2):
        fine = np.mean([np.roll(fine, shift, axis=axis) for shift in range(-4, 5)], axis=0)
    return np.asarray(0.08 * fine[:, : shape[0], : shape[1]], dtype=np.float32)


def _expose(
    out: NDArray[np.uint16],
    static: Image,
    heart: Image,
    window: tuple[slice, slice],
    bank: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Write one slice's frames: magnitude of signal plus complex noise, rounded to 12 bits."""
    size = static.size
    # Air is masked, as scanners may do: noise there would be half of a study's bytes and no information [P].
    body = (static > 0).astype(np.float32)
    starts = rng.integers(0, len(bank) - size, size=(len(out), 2))
    signal = static.copy()
    for frame in range(len(out)):
        signal[window] = heart[frame]
        real = signal + bank[starts[frame, 0] : starts[frame, 0] + size].reshape(signal.shape)
        imaginary = bank[starts[frame, 1] : starts[frame, 1] + size].reshape(signal.shape)
        np.multiply(real, real, out=real)
        real += imaginary * imaginary
        np.sqrt(real, out=real)
        real += np.float32(0.5)
        real *= body
        np.minimum(real, np.float32(LARGEST_VALUE), out=real)
        out[frame] = real
