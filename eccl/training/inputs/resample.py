"""One affine, bilinear resampling of a batch of cines: all frames of a cine share one grid.

A GPU has a kernel for it. On a CPU that kernel interpolates frame by frame; reading the fifty frames of a pixel together
takes less than half of the time, and the two agree to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def resample(frames: Tensor, theta: Tensor, size: int) -> Tensor:
    """Resample stored windows and scale them.

    Parameters
    ----------
    frames
        (batch, frames, height, width) uint8.
    theta
        (batch, 2, 3) float32: affine map from the result's coordinates to the window's, both in [-1, 1].
    size
        Side of the result.

    Returns
    -------
    Tensor
        (batch, frames, size, size) float32 in [-1, 1]; outside of the window -1, and a fade into it over one pixel. On a
        CPU the frames of a pixel lie together in memory (channels last).
    """
    by = _by_grid if frames.device.type == "cuda" else _by_gather
    return by(frames, theta, size)


def _centres(size: int, like: Tensor) -> Tensor:
    return (2 * torch.arange(size, device=like.device, dtype=torch.float32) + 1) / size - 1


def _by_grid(frames: Tensor, theta: Tensor, size: int) -> Tensor:
    # Sums instead of a matrix product: it would be computed in bfloat16 under autocast, and half a pixel be lost.
    centre = _centres(size, theta)
    along_x = theta[:, None, None, :, 0] * centre[None, None, :, None]  # (batch, 1, size, 2)
    along_y = theta[:, None, None, :, 1] * centre[None, :, None, None] + theta[:, None, None, :, 2]
    # Scaled before it is enlarged: outside of the window the interpolation gives 0, which becomes black, -1.
    scaled = frames.float().mul_(1 / 127.5)
    sampled = functional.grid_sample(
        scaled, along_x + along_y, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return sampled.sub_(1)


def _by_gather(frames: Tensor, theta: Tensor, size: int) -> Tensor:
    count, channels, height, width = frames.shape
    table = _table(frames)
    x, y = _pixels(theta, size, height, width)
    column, row = x.int(), y.int()
    right, down = x.sub_(column).view(-1), y.sub_(row).view(-1)
    step = width + 3
    first = row.mul_(step).add_(column)
    first += (torch.arange(count, dtype=torch.int32) * ((height + 3) * step))[:, None, None]
    neighbours = (first.view(-1, 1) + torch.tensor([0, 1, step, step + 1], dtype=torch.int32)).view(-1)
    weights = torch.empty(len(right), 4)
    torch.mul(right, down, out=weights[:, 3])
    torch.sub(down, weights[:, 3], out=weights[:, 2])
    torch.sub(right, weights[:, 3], out=weights[:, 1])
    torch.sub(1 - right, weights[:, 2], out=weights[:, 0])
    starts = torch.arange(0, len(neighbours), 4, dtype=torch.int32)
    # Sums of four weighted rows; the rows stay bytes, and scale and offset are applied on the way.
    found: Tensor = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
        table, neighbours, starts, mode=0, per_sample_weights=weights.view(-1)
    )  # (batch * size * size, frames)
    return found.view(count, size, size, channels).permute(0, 3, 1, 2)


def _table(frames: Tensor) -> Tensor:
    """Pixels as rows of bytes: (batch * (height + 3) * (width + 3), frames + 8) uint8.

    A black border gives every point four neighbours: one pixel before the window, two behind it. Each row ends with its
    scale and offset, two float32: 0 to 255 are -1 to 1.
    """
    count, channels, height, width = frames.shape
    table = torch.zeros(count, height + 3, width + 3, channels + 8, dtype=torch.uint8)
    table[:, 1:-2, 1:-2, :channels] = frames.permute(0, 2, 3, 1)
    table[..., channels:] = torch.tensor([1 / 127.5, -1.0]).view(torch.uint8)
    return table.view(-1, channels + 8)


def _pixels(theta: Tensor, size: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Columns and rows in the bordered table, (batch, size, size) each; what is farther out is put onto the border."""
    half = torch.tensor([width / 2, height / 2])
    scaled, centre = theta * half[None, :, None], _centres(size, theta)
    shift = scaled[:, :, 2] + half + 0.5
    x, y = (
        (scaled[:, axis, 0, None] * centre)[:, None, :]
        + (scaled[:, axis, 1, None] * centre + shift[:, axis, None])[:, :, None]
        for axis in (0, 1)
    )
    return x.clamp_(0, width + 1), y.clamp_(0, height + 1)
