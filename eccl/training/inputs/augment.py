"""Random changes of whole batches on the device. Random numbers are drawn on the CPU from a given generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from eccl.models.specs import SAMPLES
from eccl.training.inputs.visits import CineGeometry
from eccl.training.settings import CineConfig, EcgAugmentConfig

FLAT_UV = 1.0
"""A lead whose range is below one microvolt (the stored resolution) is flat."""


def scale_ecg(ecg: Tensor, scaling: str) -> Tensor:
    """Scale recordings to the network's range.

    Parameters
    ----------
    ecg
        (batch, 12, 5000) µV, any type.
    scaling
        ``lead_minmax``: every lead of every recording to [-1, 1]; a flat lead becomes 0. ``millivolt``: millivolts,
        clipped to [-5, 5].

    Returns
    -------
    Tensor
        (batch, 12, 5000) float32.
    """
    ecg = ecg.float()
    if scaling == "millivolt":
        return (ecg / 1000).clamp(-5, 5)
    low, high = ecg.aminmax(dim=-1, keepdim=True)
    span = high - low
    scaled = (ecg - low).div_(span.clamp(min=FLAT_UV)).mul_(2).sub_(1)
    return scaled.masked_fill_(span < FLAT_UV, 0.0)


def augment_ecg(ecg: Tensor, config: EcgAugmentConfig, generator: torch.Generator, *, flips: bool = True) -> Tensor:
    """Crop and flip recordings before they are scaled.

    Parameters
    ----------
    ecg
        (batch, 12, 5000) µV, any type.
    generator
        CPU generator.
    flips
        False keeps time and sign, see ``flip_for_diseases``.

    Returns
    -------
    Tensor
        (batch, 12, 5000) float32 µV.
    """
    ecg = crop_ecg(ecg.float(), config, generator)
    # Drawn in either case, so that a run with and one without flips see the same crops.
    backwards = _draw(len(ecg), config.time_flip, generator, ecg.device)
    inverted = _draw(len(ecg), config.sign_flip, generator, ecg.device)
    if not flips:
        return ecg
    ecg = torch.where(backwards[:, None, None], ecg.flip(-1), ecg) if config.time_flip else ecg
    return ecg * torch.where(inverted, -1.0, 1.0)[:, None, None] if config.sign_flip else ecg


def crop_ecg(ecg: Tensor, config: EcgAugmentConfig, generator: torch.Generator) -> Tensor:
    """Random crop, made 5000 samples long again by the configured policy; every valid start is possible."""
    length = config.crop_samples
    start = torch.randint(0, SAMPLES - length + 1, (len(ecg),), generator=generator).to(ecg.device)
    if length == SAMPLES:
        return ecg
    windows = ecg.unfold(2, length, 1)  # (batch, 12, starts, length), a view
    crop = windows[torch.arange(len(ecg), device=ecg.device), :, start]
    if config.crop_policy == "pad":
        return functional.pad(crop, (0, SAMPLES - length))
    return functional.interpolate(crop, size=SAMPLES, mode="linear", align_corners=False)


@dataclass(frozen=True, slots=True)
class CineView:
    """Rotation, zoom and mirroring of one batch of cines.

    Parameters
    ----------
    angle
        (batch,) radians, positive turns the picture's content counter-clockwise on screen.
    zoom
        (batch,) factor on the side of the square that is cut out.
    mirror
        (batch,) 1 or -1.
    """

    angle: Tensor
    zoom: Tensor
    mirror: Tensor


def clean_view(batch: int) -> CineView:
    """The view that validation, embeddings and predictions use."""
    return CineView(torch.zeros(batch), torch.ones(batch), torch.ones(batch))


def draw_views(batch: int, config: CineConfig, generator: torch.Generator) -> CineView:
    """Random views of a batch, from a CPU generator."""
    return _to_view(torch.rand(batch, 3, generator=generator, dtype=torch.float64), config)


def stable_views(rows: NDArray[np.int64], augmentation: int, config: CineConfig, seed: int) -> CineView:
    """Views of the teacher cache: one per slot, independent of the other slots."""
    uniform = np.stack([np.random.default_rng([seed, augmentation, int(row)]).random(3) for row in rows])
    return _to_view(torch.from_numpy(uniform), config)


def sample_cine(frames: Tensor, geometry: CineGeometry, size: int, config: CineConfig, view: CineView) -> Tensor:
    """Cut, turn, zoom and resize stored windows in one bilinear interpolation.

    The square is measured in millimetres, so anisotropic pixels keep the heart's shape. Pixels outside the stored
    window are black, and fade into it over one pixel. There is no low-pass filter: a heart box of some 60 to 80 px is enlarged to
    224 px, and is about 1:1 with the demo's 56 px.

    Parameters
    ----------
    frames
        (batch, 50, height, width) uint8.
    geometry
        Heart boxes and spacings of the batch, on the same device.
    size
        Side of the result in pixels.

    Returns
    -------
    Tensor
        (batch, 50, size, size) float32 in [-1, 1].
    """
    return resample(frames, _transform(geometry, frames.shape[-2:], config, view), size)


def _transform(geometry: CineGeometry, window: torch.Size, config: CineConfig, view: CineView) -> Tensor:
    """Affine map from the result's coordinates to the window's, both in [-1, 1]: (batch, 2, 3) float32."""
    top, left, bottom, right = geometry.box.unbind(dim=1)
    row_mm, column_mm = geometry.spacing.unbind(dim=1)
    height, width = window
    if config.crop == "box":
        side = torch.maximum((bottom - top) * row_mm, (right - left) * column_mm) * (1 + config.margin)
    else:
        side = torch.full_like(row_mm, config.side_mm)
    angle, zoom, mirror = (one.to(side) for one in (view.angle, view.zoom, view.mirror))
    across, down = side * zoom / (column_mm * width), side * zoom / (row_mm * height)
    x = [across * angle.cos() * mirror, -across * angle.sin(), (left + right) / width - 1]
    y = [down * angle.sin() * mirror, down * angle.cos(), (top + bottom) / height - 1]
    return torch.stack([torch.stack(x, dim=1), torch.stack(y, dim=1)], dim=1)


def _to_view(uniform: Tensor, config: CineConfig) -> CineView:
    low, high = config.scale
    angle = (2 * uniform[:, 0] - 1) * config.rotation_degrees * torch.pi / 180
    mirror = torch.where(uniform[:, 2] < config.horizontal_flip, -1.0, 1.0)
    return CineView(angle.float(), (low + (high - low) * uniform[:, 1]).float(), mirror.float())


def _draw(batch: int, probability: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return (torch.rand(batch, generator=generator) < probability).to(device)


def resample(frames: Tensor, theta: Tensor, size: int) -> Tensor:
    """Resample stored windows in one affine, bilinear map and scale them; all frames of a cine share one grid.

    A GPU has a kernel for it. On a CPU that kernel interpolates frame by frame; reading the fifty frames of a pixel together
    takes less than half of the time, and the two agree to rounding.

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
        CPU the frames of a pixel are adjacent in memory (channels last).
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
