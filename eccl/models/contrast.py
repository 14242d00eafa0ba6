"""Losses that bring the two recordings of a visit together, behind one function. All are computed in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from eccl.models.losses import info_nce
from eccl.models.precision import full_precision
from eccl.models.specs import AlignmentSpec


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
        return label_aware(z_ecg, z_cmr, label, temperature, spec.alpha)
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


def label_aware(
    z_ecg: Tensor, z_cmr: Tensor, label: Tensor, temperature: Tensor | float = 0.1, alpha: float = 0.5
) -> Tensor:
    """:func:`eccl.models.losses.info_nce` in which a case does not push other cases away.

    In the groups of a disease task a third of the visits are cases; the plain loss would spread them like any others.

    Parameters
    ----------
    z_ecg, z_cmr
        (batch, width), normalised here.
    label
        (batch,) 1 with the disease; anything else, NaN too, is a negative of every other visit.

    Returns
    -------
    Tensor
        Scalar, mean over the batch.
    """
    z_ecg, z_cmr = (functional.normalize(one.float(), dim=-1) for one in (z_ecg, z_cmr))
    with full_precision(z_ecg):
        logits = z_ecg @ z_cmr.T / temperature  # (batch, batch)
    own = torch.arange(len(logits), device=logits.device)
    is_case = label == 1
    is_left_out = is_case.unsqueeze(0) & is_case.unsqueeze(1)
    is_left_out = is_left_out & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(is_left_out, float("-inf"))
    return alpha * functional.cross_entropy(logits, own) + (1 - alpha) * functional.cross_entropy(logits.T, own)
