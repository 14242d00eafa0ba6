"""Losses of the method. All are computed in float32, whatever precision the network ran in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from eccl.models.precision import full_precision


def info_nce(z_ecg: Tensor, z_cmr: Tensor, temperature: Tensor | float = 0.1, alpha: float = 0.5) -> Tensor:
    """Symmetric contrastive loss of a batch of pairs (eq. 1 to 3 of the paper).

    Row i of both inputs is one visit; every other row of the batch is a negative. Both sides are L2-normalised here,
    which the paper leaves out and its released code does.

    Parameters
    ----------
    z_ecg, z_cmr
        (batch, width).
    temperature
        Divisor of the cosine similarities.
    alpha
        Weight of the ECG-to-CMR direction.

    Returns
    -------
    Tensor
        Scalar, mean over the batch; 0 for a batch of one, which has no negatives.
    """
    z_ecg = functional.normalize(z_ecg.float(), dim=-1)
    z_cmr = functional.normalize(z_cmr.float(), dim=-1)
    with full_precision(z_ecg):  # a product in bfloat16 would blur the similarities
        logits = z_ecg @ z_cmr.T / temperature  # (batch, batch)
    own = torch.arange(len(logits), device=logits.device)
    return alpha * functional.cross_entropy(logits, own) + (1 - alpha) * functional.cross_entropy(logits.T, own)


def masked_mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared error averaged per trait over its known targets, then over the traits that have any.

    Parameters
    ----------
    predicted, target
        (batch, traits); NaN in `target` means unknown and has no influence on loss or gradient.

    Returns
    -------
    Tensor
        Scalar; 0 with a zero gradient where nothing is known.
    """
    is_known = ~target.isnan()
    # where() before the subtraction: NaN times zero would still be NaN in the gradient.
    error = torch.where(is_known, predicted.float() - torch.where(is_known, target, 0.0), 0.0)
    known = is_known.sum(dim=0)
    per_trait = error.square().sum(dim=0) / known.clamp(min=1)
    return per_trait.sum() / (known > 0).sum().clamp(min=1)


def masked_bce(logit: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy over known labels.

    Parameters
    ----------
    logit, label
        (batch, diseases); NaN in `label` means undecided and has no influence.

    Returns
    -------
    Tensor
        Scalar: mean over a disease's known labels, then over the diseases that have any; 0 with a zero gradient where
        nothing is known.
    """
    is_known = ~label.isnan()
    each = functional.binary_cross_entropy_with_logits(
        logit.float(), torch.where(is_known, label, 0.0), reduction="none"
    )
    known = is_known.sum(dim=0)
    per_disease = torch.where(is_known, each, 0.0).sum(dim=0) / known.clamp(min=1)
    return per_disease.sum() / (known > 0).sum().clamp(min=1)


def masked_reconstruction(
    predicted: Tensor, target: Tensor, scored: Tensor, ncc_weight: float = 0.0
) -> dict[str, Tensor]:
    """Reconstruction error of a masked autoencoder over the scored patches.

    Parameters
    ----------
    predicted, target
        (batch, patches, area).
    scored
        (batch, patches) bool; other patches have no influence.
    ncc_weight
        Weight w of the correlation term in (1 - w) * mse + w * (1 - ncc).

    Returns
    -------
    dict
        ``loss``, ``mse``, and ``ncc``: correlation of prediction and target over a recording's scored samples, both
        with their mean subtracted, averaged over recordings.
    """
    predicted, target = predicted.float(), target.float()
    weight = scored.unsqueeze(-1).to(predicted.dtype).expand_as(predicted)
    mse = ((predicted - target).square() * weight).sum() / weight.sum().clamp(min=1)
    # Only told where it is not minimised: its gradient would cost as much as the decoder's last layers.
    shown = predicted if ncc_weight else predicted.detach()
    ncc = _correlation(shown.flatten(1), target.flatten(1), weight.flatten(1)).mean()
    return {"loss": (1 - ncc_weight) * mse + ncc_weight * (1 - ncc) if ncc_weight else mse, "mse": mse, "ncc": ncc}


def _correlation(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    count = weight.sum(dim=1, keepdim=True).clamp(min=1)
    one = (one - (one * weight).sum(dim=1, keepdim=True) / count) * weight
    other = (other - (other * weight).sum(dim=1, keepdim=True) / count) * weight
    spread = one.square().sum(dim=1) * other.square().sum(dim=1)
    return (one * other).sum(dim=1) / spread.clamp(min=1e-12).sqrt()
