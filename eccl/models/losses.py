"""Losses of the method. All are computed in float32, also for a network in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from eccl.models.specs import AlignmentSpec


def full_precision(like: Tensor) -> torch.autocast:
    """Compute in the tensors' own type on their device, also within autocast."""
    return torch.autocast(like.device.type, enabled=False)


def info_nce(
    z_ecg: Tensor,
    z_cmr: Tensor,
    temperature: Tensor | float = 0.1,
    alpha: float = 0.5,
    label: Tensor | None = None,
) -> Tensor:
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
    label
        (batch,) 1 with the disease; a case does not push other cases away then. Anything else, NaN too, is a negative of
        every other visit. In the groups of a disease task a third of the visits are cases; without labels the loss spreads
        them like any others.

    Returns
    -------
    Tensor
        Scalar, mean over the batch; 0 for a batch of one, which has no negatives.
    """
    z_ecg, z_cmr = (functional.normalize(one.float(), dim=-1) for one in (z_ecg, z_cmr))
    with full_precision(z_ecg):  # a product in bfloat16 would blur the similarities
        logits = z_ecg @ z_cmr.T / temperature  # (batch, batch)
    own = torch.arange(len(logits), device=logits.device)
    if label is not None:
        is_case = label == 1
        is_left_out = is_case.unsqueeze(0) & is_case.unsqueeze(1) & (own.unsqueeze(0) != own.unsqueeze(1))
        logits = logits.masked_fill(is_left_out, float("-inf"))
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
    # Only reported where it is not minimised: its gradient would cost as much as the decoder's last layers.
    shown = predicted if ncc_weight else predicted.detach()
    ncc = _correlation(shown.flatten(1), target.flatten(1), weight.flatten(1)).mean()
    return {"loss": (1 - ncc_weight) * mse + ncc_weight * (1 - ncc) if ncc_weight else mse, "mse": mse, "ncc": ncc}


def _correlation(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    count = weight.sum(dim=1, keepdim=True).clamp(min=1)
    one = (one - (one * weight).sum(dim=1, keepdim=True) / count) * weight
    other = (other - (other * weight).sum(dim=1, keepdim=True) / count) * weight
    spread = one.square().sum(dim=1) * other.square().sum(dim=1)
    return (one * other).sum(dim=1) / spread.clamp(min=1e-12).sqrt()


def contrast(
    spec: AlignmentSpec, z_ecg: Tensor, z_cmr: Tensor, temperature: Tensor | float, label: Tensor | None = None
) -> Tensor:
    """The loss that a spec names, of a batch of pairs.

    Parameters
    ----------
    z_ecg, z_cmr
        (batch, width); row i of both is one visit.
    label
        (batch,) 1 with the disease, 0 without, NaN unknown; only ``label_aware`` needs it.

    Returns
    -------
    Tensor
        Scalar.
    """
    if spec.loss == "triplet":
        return triplet(z_ecg, z_cmr, spec.margin, spec.alpha if spec.is_symmetric else 1.0)
    if spec.loss == "label_aware":
        if label is None:
            raise ValueError("a label-aware contrast needs the labels of the batch; use it in a disease task")
        return info_nce(z_ecg, z_cmr, temperature, spec.alpha, label)
    return info_nce(z_ecg, z_cmr, temperature, spec.alpha)


def triplet(z_ecg: Tensor, z_cmr: Tensor, margin: float, alpha: float = 0.5) -> Tensor:
    """Semi-hard triplets (Schroff et al. 2015) by Euclidean distance on the unit sphere.

    An anchor's negatives are the other visits' vectors of the other modality. Semi-hard ones are farther than the
    positive by less than `margin`; an anchor without any takes its hard ones, which are as near as the positive or nearer.

    Parameters
    ----------
    z_ecg, z_cmr
        (batch, width), normalised here.
    margin
        By how much a negative shall be farther, in [0, 2].
    alpha
        Weight of the direction with ECG anchors; at 1 it is the only one.

    Returns
    -------
    Tensor
        Scalar, mean over the chosen triplets; 0 with a zero gradient where no triplet violates the margin.
    """
    z_ecg, z_cmr = (functional.normalize(one.float(), dim=-1) for one in (z_ecg, z_cmr))
    with full_precision(z_ecg):
        cosine = z_ecg @ z_cmr.T  # (batch, batch)
    # The slope of the root at 0 is infinite: two equal vectors have none instead.
    distance = (2 - 2 * cosine).clamp(min=1e-12).sqrt()
    loss = alpha * _semi_hard(distance, margin)
    return loss if alpha == 1 else loss + (1 - alpha) * _semi_hard(distance.T, margin)


def _semi_hard(distance: Tensor, margin: float) -> Tensor:
    """Mean violation of the chosen triplets; anchors are rows."""
    gap = distance - distance.diagonal().unsqueeze(1)  # how much farther than the positive
    is_other = ~torch.eye(len(distance), dtype=torch.bool, device=distance.device)
    is_semi_hard = is_other & (gap > 0) & (gap < margin)
    is_hard = is_other & (gap <= 0)
    is_chosen = torch.where(is_semi_hard.any(dim=1, keepdim=True), is_semi_hard, is_hard)
    violation = torch.where(is_chosen, margin - gap, 0.0)
    return violation.sum() / is_chosen.sum().clamp(min=1)
