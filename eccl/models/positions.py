"""Fixed two-dimensional sine-cosine positions (He et al. 2022, masked autoencoders)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sincos_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Position of every patch of a grid; the class token stands at zero.

    Half of the channels tell the row, half the column; each half holds sines then cosines of geometric frequencies
    from 1 down to 1/10000.

    Parameters
    ----------
    grid
        Rows (leads) and columns (time) of patches.
    width
        Channels, a multiple of 4.

    Returns
    -------
    Tensor
        (1, 1 + rows * columns, width) float32, patches in row-major order after the class token.
    """
    rows, columns = np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij")
    table = np.concatenate([_waves(rows.ravel(), width // 2), _waves(columns.ravel(), width // 2)], axis=1)
    with_class = np.concatenate([np.zeros((1, width)), table])
    return torch.from_numpy(with_class[None].astype(np.float32))


def _waves(position: NDArray[np.int64], channels: int) -> NDArray[np.float64]:
    frequency = 10000.0 ** (-np.arange(channels // 2) / (channels // 2))
    angle = position[:, None] * frequency
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
