"""The moving part of a short-axis image: ventricles painted over the torso, (frames, rows, columns) of a window.

Every contour is drawn as the mean of several thin planes of the slice (and of several beats where the rhythm is
irregular), which is what blurs an oblique wall in a thick slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eccl.simulate.cine.torso import Image, ImagePlane, Signals
from eccl.simulate.heart.contours import Contours
from eccl.simulate.heart.physiology import Floats

HEART_WINDOW_MM = (78.0, 78.0, 104.0, 66.0)  # above, below, left and right of the LV's axis; the RV is on the left
POINT_SPREAD_PX = 1.25  # [M]
RV_WALL_MM = 3.0
PAPILLARY_ANGLES_DEG = (-50.0, 215.0)  # anterolateral and posteromedial
PAPILLARY_MM = 3.6  # radius: 8 x 5 mm [M]
TORSION_DEG = 5.0  # of the papillary muscles at end-systole [M]
TRABECULAE_MM, TRABECULAR_BLOOD = 1.5, 0.65  # rim of the cavity that is part muscle [M]
FAT_MM, FAT_RV_MM, FAT_RV_DEG = 2.0, 5.0, 50.0  # epicardial fat, most in front of the right ventricle [M]
FAT_FOLLOWS = 0.65  # of the muscle's inward motion; the rest is filled by fat of other planes [P]
FAT_RIM = 0.35  # fat and muscle cancel in pixels that hold both (chemical shift) [M]
FLOW_SD = 0.08  # of blood's signal [M]
# Impulse response of an acquisition whose k-space ends below the matrix: 4 % overshoot at an edge [C].
CUT_RESPONSE = (-0.015, -0.060, 0.125, 0.900, 0.125, -0.060, -0.015)

Window = tuple[slice, slice]


def heart_window(plane: ImagePlane) -> Window:
    """Rows and columns of the image that the heart may reach."""
    rows, columns = plane.x.shape
    above, below, left, right = (round(mm / plane.spacing_mm) for mm in HEART_WINDOW_MM)
    row, column = round(plane.centre_row), round(plane.centre_column)
    return (
        slice(max(row - above, 0), min(row + below, rows)),
        slice(max(column - left, 0), min(column + right, columns)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class PolarGrid:
    """Distance from the LV axis (mm) and whole-degree AHA angle of every pixel of a window."""

    radius: Image
    degree: NDArray[np.intp]
    x: Image
    y: Image
    spacing_mm: float

    @classmethod
    def of(cls, plane: ImagePlane, window: Window, rotation_deg: float, shift_mm: tuple[float, float]) -> PolarGrid:
        """Return the grid of a window around an axis `shift_mm` right and below of the plane's centre."""
        turn = np.deg2rad(rotation_deg)
        x0, y0 = plane.x[window] - shift_mm[0], plane.y[window] - shift_mm[1]
        x = (np.cos(turn) * x0 - np.sin(turn) * y0).astype(np.float32)
        y = (np.sin(turn) * x0 + np.cos(turn) * y0).astype(np.float32)
        # 0 degrees is up (anterior), +90 is left in the image (septum).
        degree = np.rint(np.rad2deg(np.arctan2(-x, -y))).astype(np.intp) % 360
        return cls(np.hypot(x, y), degree, x, y, plane.spacing_mm)


def cover(edges: Sequence[Floats], polar: PolarGrid) -> Image:
    """Share of each pixel inside a contour, mean over layers of (frames, 360) radii: (frames, rows, columns).

    Only pixels that some edge touches are computed; the others are inside or outside all of the time.
    """
    blur = np.float32(POINT_SPREAD_PX * polar.spacing_mm)
    lowest = np.min([edge.min(axis=0) for edge in edges], axis=0) - 0.5 * blur
    highest = np.max([edge.max(axis=0) for edge in edges], axis=0) + 0.5 * blur
    radius, degree = polar.radius.ravel(), polar.degree.ravel()
    touched = np.flatnonzero((radius > lowest[degree]) & (radius < highest[degree]))
    frames = len(edges[0])
    out = np.zeros((frames, radius.size), dtype=np.float32)
    out[:, radius <= lowest[degree]] = 1.0
    # Radii in units of the blur, so that the soft edge is a clip; half a unit centres it.
    distance = radius[touched] / blur - np.float32(0.5)
    total = np.zeros((frames, touched.size), dtype=np.float32)
    for edge in edges:
        part = (edge.astype(np.float32) / blur)[:, degree[touched]]
        part -= distance
        total += np.clip(part, 0.0, 1.0, out=part)
    out[:, touched] = total / np.float32(len(edges))
    return out.reshape(frames, *polar.radius.shape)


def paint_heart(
    layers: Sequence[Contours], polar: PolarGrid, background: Image, signals: Signals, texture: Image, empty: Floats
) -> Image:
    """Relative signal of the window, (frames, rows, columns).

    Parameters
    ----------
    layers
        Contours of the slice's thin planes, for every beat.
    background
        Signal of the window without a heart, (rows, columns).
    texture
        Two smooth fields of blood flow that take turns over the beat, (2, rows, columns).
    empty
        Share of the stroke volume that has left, (frames,).
    """
    blood = cover([layer.endo for layer in layers], polar)
    wall = cover([layer.epi for layer in layers], polar)
    right = cover([layer.rv for layer in layers], polar)
    outer = [layer.rv + RV_WALL_MM * np.clip(0.5 * (layer.rv - layer.epi), 0.0, 1.0) for layer in layers]
    right_wall = cover(outer, polar)
    fat = cover([_fat_edge(edge) for edge in outer], polar)
    phase = (2.0 * np.pi * empty)[:, None, None]
    swirl = texture[0] * np.cos(phase).astype(np.float32) + texture[1] * np.sin(phase).astype(np.float32)
    swirl += np.float32(1.0)
    signal = background + (signals.epicardial_fat - background) * fat
    signal += (signals.myocardium - signal) * right_wall
    signal += (signals.rv_blood * swirl - signal) * right
    signal += (signals.myocardium - signal) * wall
    signal += (_cavity(layers, polar, signals, empty) * swirl - signal) * blood
    muscle = np.maximum(wall, right_wall)
    signal *= 1.0 - np.float32(FAT_RIM) * fat * (4.0 * muscle * (1.0 - muscle)) ** 2
    return limit_resolution(np.clip(signal, 0.0, 1.5 * signals.fat))


def _fat_edge(outer: Floats) -> Floats:
    """Outer edge of the fat around the heart: thickest over the right ventricle, it gives way less than the muscle does."""
    thickness = FAT_MM + FAT_RV_MM * np.clip(np.cos(np.deg2rad(np.arange(outer.shape[1]) - FAT_RV_DEG)), 0.0, 1.0)
    return np.asarray(outer + thickness + (1.0 - FAT_FOLLOWS) * np.maximum(outer[0] - outer, 0.0))


def limit_resolution(image: Image) -> Image:
    """Cut the highest spatial frequencies of the last two axes, which leaves a faint ringing at edges."""
    for axis in (-2, -1):
        image = ndimage.correlate1d(image, np.array(CUT_RESPONSE), axis=axis, mode="nearest")
    return np.asarray(image, dtype=np.float32)


def _cavity(layers: Sequence[Contours], polar: PolarGrid, signals: Signals, empty: Floats) -> Image:
    """Signal inside the LV cavity: blood, darker where trabeculae line the wall and where papillary muscles stand."""
    middle = layers[len(layers) // 2]
    core = cover([np.maximum(layer.endo - TRABECULAE_MM, 0.0) for layer in layers], polar)
    signal = np.float32(TRABECULAR_BLOOD) + np.float32(1.0 - TRABECULAR_BLOOD) * core
    # Papillary muscles belong to the middle of the ventricle: none at the base, none in the apex.
    if 0.25 < middle.level[0] < 0.8:
        inside = np.flatnonzero(polar.radius.ravel() < middle.endo.max())
        flat = signal.reshape(len(signal), -1)
        flat[:, inside] *= 1.0 - np.float32(1.0 - signals.papillary) * _papillary(middle, polar, empty, inside)
    return signal


def _papillary(contours: Contours, polar: PolarGrid, empty: Floats, pixels: NDArray[np.intp]) -> Image:
    """Share of each pixel taken by two papillary muscles that follow the inner wall and turn with it: (frames, pixels)."""
    x, y = polar.x.ravel()[pixels], polar.y.ravel()[pixels]
    total = np.zeros((len(empty), pixels.size), dtype=np.float32)
    frame = np.arange(len(empty))
    for angle in PAPILLARY_ANGLES_DEG:
        turned = np.deg2rad(angle + TORSION_DEG * empty)
        inner = contours.endo[frame, np.rint(np.rad2deg(turned)).astype(int) % 360]
        distance = np.maximum(inner - 5.0, 0.45 * inner)
        across = x - (-np.sin(turned) * distance).astype(np.float32)[:, None]
        down = y - (-np.cos(turned) * distance).astype(np.float32)[:, None]
        near = (across**2 + down**2) / np.float32(PAPILLARY_MM**2)
        total += np.exp(-(near**2))
    return np.asarray(np.minimum(total, 1.0))


def flow_texture(rng: np.random.Generator, shape: tuple[int, ...]) -> Image:
    """Two smooth fields (2, rows, columns) that mix over the cycle: inflow and swirl of blood."""
    coarse = rng.standard_normal((2, shape[0] // 8 + 2, shape[1] // 8 + 2))
    fine = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)
    for axis in (1, 2):
        fine = ndimage.uniform_filter1d(fine, 9, axis=axis, mode="wrap")
    return np.asarray(FLOW_SD * fine[:, : shape[0], : shape[1]] / fine.std(), dtype=np.float32)
