"""The stored window: a square of native pixels, zero-padded at the image's borders, in 256 grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.errors import Reason, Rejected


def cut_window(frames: NDArray[Any], centre: tuple[float, float], size: int) -> tuple[NDArray[Any], int, int]:
    """Cut a square window around a point; pixels outside the image are zero.

    Parameters
    ----------
    frames : (t, y, x)
        Any dtype.
    centre
        Row and column in full-image pixels; a box [top, bottom) has its centre at (top + bottom) / 2.
    size
        Side of the window in pixels.

    Returns
    -------
    window : (t, size, size)
        Same dtype.
    top, left
        First row and column of the window in the full image; negative where padded.
    """
    top, left = (int(np.floor(value - size / 2 + 0.5)) for value in centre)
    rows, columns = frames.shape[1:]
    window = np.zeros((len(frames), size, size), dtype=frames.dtype)
    y0, y1 = max(top, 0), min(top + size, rows)
    x0, x1 = max(left, 0), min(left + size, columns)
    if y0 < y1 and x0 < x1:
        window[:, y0 - top : y1 - top, x0 - left : x1 - left] = frames[:, y0:y1, x0:x1]
    return window, top, left


def to_uint8(window: NDArray[Any]) -> tuple[NDArray[np.uint8], float, float]:
    """Scale a window to 0..255 between the smallest and largest value of the whole cine.

    Returns
    -------
    codes : uint8, the shape of `window`
        ``low + code * (high - low) / 255`` is the value within half a step.
    low, high
        The values stored as 0 and as 255.

    Raises
    ------
    Rejected
        ``cine_constant`` where all values are equal or some are not finite.
    """
    low, high = float(window.min()), float(window.max())
    if not (np.isfinite(low) and np.isfinite(high)) or high <= low:
        raise Rejected(
            Reason.CINE_CONSTANT, f"intensities from {low:g} to {high:g} in the window; expected a finite range"
        )
    codes = np.rint((window.astype(np.float64) - low) * (255.0 / (high - low)))
    return codes.astype(np.uint8), low, high
