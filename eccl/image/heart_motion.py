"""Where an image moves with the heart: the amplitude of the first harmonics of the cardiac cycle in every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

HARMONICS = 3  # wall motion is smooth in time; these hold nearly all of it at 12 to 50 frames
SMOOTHING_MM = 5.0  # half a wall's thickness: edges that move become bands
BRIGHTNESS_MM = 20.0  # coil sensitivity varies over such lengths
BRIGHTNESS_OFFSET = 0.7  # of the image's 95th percentile; keeps lung and air from counting as bright by division
SATURATION_MM2 = 1800.0  # the strongest motion of this area counts as full, a seventh of a heart's section


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
