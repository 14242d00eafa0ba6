"""Validation scores of a task, and what selects the best epoch where the usual score is undefined."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.models.losses import masked_bce, masked_mse
from eccl.models.scores import mean_defined, pearson_per_trait, roc_auc
from eccl.training.targets import TRAITS

Float = NDArray[np.float64]


def task_loss(task: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Masked squared error of standardised traits, or cross-entropy of a disease."""
    return masked_mse(outputs, targets) if task == TRAITS else masked_bce(outputs, targets)


def selection_rule(task: str, targets: Float) -> str:
    """What chooses the best epoch on a validation split.

    Returns
    -------
    str
        ``mean_r`` for traits, ``auc`` for a disease; ``loss`` where the split has one class only, or no trait known
        twice; ``last`` where it has no known target at all.
    """
    is_known = ~np.isnan(targets)
    if not is_known.any():
        return "last"
    if task == TRAITS:
        return "mean_r" if (is_known.sum(axis=0) >= 2).any() else "loss"
    return "auc" if len(np.unique(targets[is_known])) == 2 else "loss"


def score_task(task: str, rule: str, outputs: Float, targets: Float) -> dict[str, float]:
    """Score a whole validation split, in float64 and without dropping a visit.

    Parameters
    ----------
    outputs, targets
        (n, targets); NaN in `targets` is unknown.

    Returns
    -------
    dict
        ``loss``, ``mean_r`` or ``auc`` (NaN where undefined), and ``score``, the value of `rule`, to be raised.
    """
    loss = (
        float(task_loss(task, torch.from_numpy(outputs), torch.from_numpy(targets))) if len(outputs) else float("nan")
    )
    if task == TRAITS:
        scores = {"loss": loss, "mean_r": mean_defined(pearson_per_trait(targets, outputs))}
    else:
        scores = {"loss": loss, "auc": roc_auc(targets[:, 0], outputs[:, 0])}
    by_rule = {"loss": -loss, "last": float("nan")}
    return {**scores, "score": by_rule[rule] if rule in by_rule else scores[rule]}
