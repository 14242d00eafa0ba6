"""The rectangle of a short-axis image that holds the heart: from a segmentation, or from motion alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BoxSource = Literal["segmentation", "motion"]

# The two ventricles with their walls measure 90 to 140 mm in a middle slice; the reference crop (80 px) is 144 mm.
MIN_SIDE_MM = 120.0
MAX_SIDE_MM = 150.0
MARGIN_MM = 12.0  # blood moves up to the endocardium, the wall outside it hardly changes brightness
HEART_SCALE_MM = 28.0  # a heart is a compact mass of motion of this radius; chest walls and vessels are thin
CENTRE_PRIOR_MM = 105.0  # planning puts the heart near the image's centre, loosely
REACH_MM = 85.0  # no part of a heart is farther from its middle
THRESHOLD = 0.5  # of the motion at the heart, on the map's square-root scale: a quarter of the amplitude
HARMONICS = 3  # wall motion is smooth in time; these hold nearly all of it at 12 to 50 frames
SMOOTHING_MM = 5.0  # half a wall's thickness: edges that move become bands
BRIGHTNESS_MM = 20.0  # coil sensitivity varies over such lengths
BRIGHTNESS_OFFSET = 0.7  # of the image's 95th percentile; keeps lung and air from counting as bright by division
SATURATION_MM2 = 1800.0  # the strongest motion of this area counts as full, a seventh of a heart's section


@dataclass(frozen=True, slots=True)
class HeartBox:
    """Rows [top, bottom) and columns [left, right), how sure the method is (0 to 1), and the method."""

    top: int
    left: int
    bottom: int
    right: int
    confidence: float
    source: BoxSource

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the middle."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def cut(self, frames: NDArray[Any]) -> NDArray[Any]:
        """The part of (t, y, x) frames inside the box; empty where they do not meet."""
        top, left = max(self.top, 0), max(self.left, 0)
        return frames[:, top : max(self.bottom, top), left : max(self.right, left)]

    def shifted(self, rows: int, columns: int) -> HeartBox:
        """Return the same box in coordinates with another origin."""
        return replace(
            self,
            top=self.top + rows,
            bottom=self.bottom + rows,
            left=self.left + columns,
            right=self.right + columns,
        )

    def clipped(self, rows: int, columns: int) -> HeartBox:
        """The part of the box inside an image of this size."""
        return replace(
            self,
            top=min(max(self.top, 0), rows),
            left=min(max(self.left, 0), columns),
            bottom=min(max(self.bottom, 0), rows),
            right=min(max(self.right, 0), columns),
        )


def box_from_mask(mask: NDArray[Any]) -> HeartBox | None:
    """Smallest rectangle around a segmented heart over the whole cycle.

    A binary opening with a full 3 x 3 x 3 element over (t, y, x) removes specks of single frames first; a mask of fewer
    than three frames, or one that the opening would erase, is opened or taken as it is.

    Parameters
    ----------
    mask : (t, y, x)
        Non-zero on the heart.

    Returns
    -------
    box
        Confidence 1, or 0.5 where the opening erased the mask; None where the mask is empty.
    """
    heart = np.asarray(mask) != 0
    element = np.ones((3 if len(heart) >= 3 else 1, 3, 3), dtype=bool)
    opened = np.asarray(ndimage.binary_opening(heart, structure=element)).any(axis=0)
    confidence = 1.0 if opened.any() else 0.5
    area = np.asarray(opened if opened.any() else heart.any(axis=0))
    if not area.any():
        return None
    top, bottom, left, right = _bounds(area)
    return HeartBox(top, left, bottom, right, confidence, "segmentation")


def square_box(box: HeartBox, size: int = 80) -> HeartBox:
    """A fixed square on the box's centre; 80 pixels is the crop of the authors' released preprocessing.

    It may reach beyond the image, where pixels are zero.
    """
    top, left = (int(np.floor(value - size / 2 + 0.5)) for value in box.centre)
    return replace(box, top=top, left=left, bottom=top + size, right=left + size)


def box_from_motion(slices: Sequence[NDArray[Any]], spacing_mm: tuple[float, float]) -> HeartBox:
    """Find the heart by its motion.

    The seed is where motion, averaged over the size of a heart and weighted by closeness to the image's centre, is
    largest; the box surrounds the connected motion around it, with a margin for the walls, and is kept between 120 and
    150 mm a side. It prefers to be generous: a model loses less by a wide box than by a cut wall.

    Parameters
    ----------
    slices
        One or more neighbouring middle slices, each (t, y, x) of one cardiac cycle.
    spacing_mm
        Distance between rows and between columns.

    Returns
    -------
    box
        Inside the image. Confidence rises with the share of motion inside the box beyond the box's share of area; it is
        0, and the box is at the image's centre, where nothing moves.
    """
    motion = motion_map(slices, spacing_mm)
    rows, columns = motion.shape
    if not motion.any():
        return _bounded_box((rows / 2, rows / 2), (columns / 2, columns / 2), spacing_mm, motion.shape)
    seed = _seed(motion, spacing_mm)
    distance = _distance_mm(motion.shape, seed, spacing_mm)
    level = THRESHOLD * float(motion[distance <= HEART_SCALE_MM].max())
    heart = _touching((motion >= level) & (distance <= REACH_MM), distance)
    top, bottom, left, right = _bounds(heart)
    box = _bounded_box((top, bottom), (left, right), spacing_mm, motion.shape)
    return replace(box, confidence=_confidence(motion, box))


def motion_amplitude(frames: NDArray[Any]) -> NDArray[np.float64]:
    """Amplitude of the first harmonics, free of drift and of the noise floor.

    A straight line is taken out of every pixel's course first: respiratory drift over a breath-hold does not close, a
    heart beat does. The noise floor is the mean power of the harmonics that wall motion does not reach.

    Parameters
    ----------
    frames : (t, y, x)
        One cycle; any dtype.

    Returns
    -------
    amplitude : (y, x)
        In units of intensity; zero where there are fewer than three frames.
    """
    count = len(frames)
    if count < 3:
        return np.zeros(frames.shape[1:])
    values = np.asarray(frames, dtype=np.float32)
    values = values - values[0]  # a still image is then zero exactly, not up to rounding
    ramp = np.linspace(-1.0, 1.0, count, dtype=np.float32)
    # einsum and not tensordot: a matrix library adds in another order with another number of threads, and bytes must not differ.
    slope = np.einsum("t,tyx->yx", ramp, values) / float(np.sum(ramp**2))
    # (count, y, x) -> (count // 2 + 1, y, x); the mean is harmonic 0 and is not used
    spectrum = np.fft.rfft(values - ramp[:, None, None] * slope, axis=0)
    power = (np.abs(spectrum) / count * 2.0) ** 2
    used = min(HARMONICS, count // 2)
    signal = power[1 : used + 1].sum(axis=0)
    beyond = power[2 * used + 1 : (count + 1) // 2]
    floor = used * beyond.mean(axis=0) if len(beyond) >= 2 else 0.0
    return np.asarray(np.sqrt(np.maximum(signal - floor, 0.0)), dtype=np.float64)


def motion_map(slices: Sequence[NDArray[Any]], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Motion of neighbouring slices together, 0 to 1.

    Motion is taken relative to the local brightness, so that walls near the coil do not outshine the far side of the
    heart, and its square root is used, so that a strongly moving right ventricle does not hide a weak left one. Slices
    are averaged: the heart moves at the same place in all of them, ghosts and vessels do not.

    Parameters
    ----------
    slices
        Each (t, y, x); frame counts may differ, rows and columns not.
    spacing_mm
        Distance between rows and between columns.

    Returns
    -------
    motion : (y, x)
        All zero where nothing moves.
    """
    total = np.zeros(slices[0].shape[1:])
    for frames in slices:
        total += _relative_motion(frames, spacing_mm)
    return np.asarray(total / len(slices), dtype=np.float64)


def _relative_motion(frames: NDArray[Any], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    amplitude = motion_amplitude(frames)
    if not amplitude.any():
        return amplitude
    # Stored values may start anywhere (signed pixels, rescaled ones); brightness counts from the darkest.
    mean = np.mean(frames, axis=0, dtype=np.float64)
    brightness = ndimage.gaussian_filter(mean - mean.min(), [BRIGHTNESS_MM / spacing for spacing in spacing_mm])
    relative = amplitude / (brightness + BRIGHTNESS_OFFSET * np.percentile(brightness, 95) + np.finfo(float).tiny)
    smooth = ndimage.gaussian_filter(relative, [SMOOTHING_MM / spacing for spacing in spacing_mm])
    area = smooth.size * spacing_mm[0] * spacing_mm[1]
    full = float(np.quantile(smooth, max(0.5, 1.0 - SATURATION_MM2 / area))) or float(smooth.max())
    return np.asarray(np.sqrt(np.minimum(smooth / full, 1.0)), dtype=np.float64)


def _seed(motion: NDArray[np.float64], spacing_mm: tuple[float, float]) -> tuple[int, int]:
    """Row and column of the most heart-like mass of motion."""
    sigma = [HEART_SCALE_MM / spacing for spacing in spacing_mm]
    mass = ndimage.gaussian_filter(motion, sigma, mode="constant")
    centre = ((motion.shape[0] - 1) / 2, (motion.shape[1] - 1) / 2)
    prior = np.exp(-0.5 * (_distance_mm(motion.shape, centre, spacing_mm) / CENTRE_PRIOR_MM) ** 2)
    row, column = np.unravel_index(int(np.argmax(mass * prior)), motion.shape)
    return int(row), int(column)


def _distance_mm(
    shape: tuple[int, ...], point: tuple[float, float], spacing_mm: tuple[float, float]
) -> NDArray[np.float64]:
    rows = (np.arange(shape[0]) - point[0]) * spacing_mm[0]
    columns = (np.arange(shape[1]) - point[1]) * spacing_mm[1]
    return np.asarray(np.hypot(rows[:, None], columns[None, :]), dtype=np.float64)


def _touching(moving: NDArray[np.bool_], distance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The connected parts of the motion that come within a heart's radius of the seed."""
    labels, _ = ndimage.label(moving, structure=np.ones((3, 3)))
    near = np.unique(labels[moving & (distance <= HEART_SCALE_MM)])
    return np.asarray(np.isin(labels, near[near > 0]))


def _bounds(area: NDArray[Any]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _bounded_box(
    rows: tuple[float, float],
    columns: tuple[float, float],
    spacing_mm: tuple[float, float],
    shape: tuple[int, ...],
) -> HeartBox:
    """Add the margin, keep the sides within bounds, and move the box into the image where it would reach out."""
    edges: list[tuple[int, int]] = []
    for (first, last), spacing, size in zip((rows, columns), spacing_mm, shape, strict=True):
        side = np.clip((last - first) * spacing + 2 * MARGIN_MM, MIN_SIDE_MM, MAX_SIDE_MM)
        pixels = min(int(np.ceil(side / spacing)), size)
        start = int(np.clip(np.rint((first + last - pixels) / 2), 0, size - pixels))
        edges.append((start, start + pixels))
    (top, bottom), (left, right) = edges
    return HeartBox(top, left, bottom, right, 0.0, "motion")


def _confidence(motion: NDArray[np.float64], box: HeartBox) -> float:
    """Return 0 where motion is spread evenly over the image, 1 where all of it is in the box."""
    amplitude = motion**2  # the map is a square root; noise everywhere else would weigh too much
    share = float(box.cut(amplitude[None]).sum() / amplitude.sum())
    area = box.height * box.width / motion.size
    return float(np.clip((share - area) / (1 - area), 0.0, 1.0)) if area < 1 else 0.0
