"""Frames in time: a cine is one closed cardiac cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.errors import Reason, Rejected


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
