"""Quality measures of a cine: columns of table `cines`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.image.heart_box import HeartBox


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
