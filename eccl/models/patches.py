"""Images cut into patches and put together again, channels together."""

from __future__ import annotations

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
