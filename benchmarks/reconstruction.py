"""How well hidden patches are reconstructed: by the autoencoder, and by what needs no learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.models.mae import MaskedAutoencoder


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Mean squared error over the hidden samples of recordings, in the network's own scale.

    Parameters
    ----------
    network
        The autoencoder.
    lead_mean
        Every hidden sample of a lead is the mean of its visible ones (0 in a lead without any).
    interpolation
        Straight lines between the visible samples of a lead, constant beyond its first and last one.
    """

    network: float
    lead_mean: float
    interpolation: float


def score_reconstruction(module: MaskedAutoencoder, ecg: Tensor, seed: int = 0, batch: int = 32) -> Reconstruction:
    """Hide patches of recordings and compare three ways to fill them.

    Parameters
    ----------
    ecg
        (n, 12, 5000) float, scaled as for the network.
    seed
        Seed of the masks; equal seeds hide equal patches.
    """
    module.eval()
    sums, hidden_samples = np.zeros(3), 0
    generator = torch.Generator().manual_seed(seed)
    for some in torch.split(ecg, batch):
        visible, is_hidden = module.choose_visible(module.draw_noise(len(some), generator))
        with torch.no_grad():
            predicted = module.from_patches(module.reconstruct(some, visible).float())
        area = module.patch[0] * module.patch[1]
        hidden = module.from_patches(is_hidden.unsqueeze(-1).expand(-1, -1, area).float()).bool().cpu().numpy()
        truth = some.float().cpu().numpy()
        filled = (predicted.cpu().numpy(), mean_of_visible(truth, hidden), interpolate_visible(truth, hidden))
        sums += [float(((one - truth)[hidden] ** 2).sum(dtype=np.float64)) for one in filled]
        hidden_samples += int(hidden.sum())
    return Reconstruction(*(sums / max(hidden_samples, 1)).tolist())


def mean_of_visible(ecg: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill hidden samples with the mean of the lead's visible ones; (n, leads, samples) twice."""
    seen = ~hidden
    total = np.where(seen, ecg, 0).sum(axis=-1, keepdims=True)
    mean = total / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    return np.where(hidden, mean, ecg).astype(np.float32)


def interpolate_visible(ecg: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill hidden samples along straight lines between the lead's visible ones; (n, leads, samples) twice."""
    filled = ecg.copy()
    time = np.arange(ecg.shape[-1])
    for record, lead in np.ndindex(*ecg.shape[:2]):
        gap = hidden[record, lead]
        if gap.all():
            filled[record, lead] = 0
        elif gap.any():
            filled[record, lead, gap] = np.interp(time[gap], time[~gap], ecg[record, lead, ~gap])
    return filled
