"""The stored window of a cine: a square of native pixels, one closed cycle, 256 grey levels; and its quality."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.errors import Reason, Rejected
from eccl.image.heart_box import HeartBox


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


def resample_periodic(frames: NDArray[Any], count: int = 50) -> NDArray[np.float32]:
    """Resample a closed cycle to `count` frames by linear interpolation between neighbours in time.

    Parameters
    ----------
    frames : (t, y, x)
        One cycle at equal steps; after the last frame comes the first.
    count
        Frames wanted.

    Returns
    -------
    resampled : (count, y, x) float32
        Frame k is at k/count of the cycle, so it equals an input frame exactly where the times coincide;
        with ``count == t`` nothing changes.

    Raises
    ------
    Rejected
        ``cine_too_few_frames`` where there is no frame.
    """
    native = len(frames)
    if native == 0:
        raise Rejected(Reason.CINE_TOO_FEW_FRAMES, "0 frames, at least 1 expected")
    # Integer arithmetic keeps coincident times exact.
    before, remainder = np.divmod(np.arange(count) * native, count)
    weight = (remainder / count).astype(np.float32)[:, None, None]
    values = np.asarray(frames, dtype=np.float32)
    start = values[before]
    return np.where(weight == 0, start, start + weight * (values[(before + 1) % native] - start))


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


def motion_fraction(window: NDArray[Any], box: HeartBox) -> float:
    """Share of the window's temporal variance inside the heart box.

    Parameters
    ----------
    window : (t, y, x)
        Any unit.
    box
        In window pixels.

    Returns
    -------
    share
        0 to 1; 0 where nothing moves.
    """
    variance = np.var(np.asarray(window, dtype=np.float64), axis=0)
    total = float(variance.sum())
    return float(box.cut(variance[None]).sum()) / total if total > 0 else 0.0


def contrast(window: NDArray[Any], box: HeartBox) -> float:
    """Spread of intensity in the heart box: (p95 - p5) / (p95 + p5); 0 where the box is black or empty."""
    inside = box.cut(window)
    if inside.size == 0:
        return 0.0
    low, high = np.percentile(inside, (5, 95))
    return float((high - low) / (high + low)) if high + low > 0 else 0.0


def sharpness(window: NDArray[Any], box: HeartBox) -> float:
    """Mean gradient magnitude in the heart box relative to p95 - p5, per pixel; 0 where there is no contrast."""
    inside = np.asarray(box.cut(window), dtype=np.float64)
    if inside.size == 0 or min(inside.shape[1:]) < 2:
        return 0.0
    low, high = np.percentile(inside, (5, 95))
    down, across = np.gradient(inside, axis=(1, 2))
    return float(np.hypot(down, across).mean() / (high - low)) if high > low else 0.0
