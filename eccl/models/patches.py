"""Images cut into patches and put together again, and the fixed positions of patches."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_patches(image: Tensor, patch: tuple[int, int]) -> Tensor:
    """Cut images: (batch, channels, height, width) -> (batch, patches, channels * patch area), patches row by row."""
    batch, channels, height, width = image.shape
    rows, columns = height // patch[0], width // patch[1]
    cut = image.reshape(batch, channels, rows, patch[0], columns, patch[1])
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * patch[0] * patch[1])


def from_patches(patches: Tensor, patch: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Inverse of :func:`to_patches`: (batch, patches, area) -> (batch, channels, height, width)."""
    batch, _, area = patches.shape
    channels = area // (patch[0] * patch[1])
    cut = patches.reshape(batch, grid[0], grid[1], channels, patch[0], patch[1])
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, grid[0] * patch[0], grid[1] * patch[1])


def sincos_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Two-dimensional sine-cosine positions (He et al. 2022) of every patch of a grid; the class token is at zero.

    Half of the channels encode the row, half the column; each half holds sines then cosines of geometric frequencies
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
