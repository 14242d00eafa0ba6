"""Loss and validation scores of a task, and what selects the best epoch where the usual score is undefined."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.models.losses import masked_bce, masked_mse
from eccl.models.scores import mean_defined, pearson_per_trait, roc_auc
from eccl.training.inputs.targets import TRAITS
from eccl.training.settings.config import ALL, DISEASES

Float = NDArray[np.float64]


def task_loss(task: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Masked squared error of standardised traits, or cross-entropy of a disease; for ``all``, with the traits first, the sum.

    The diseases' part is the mean over those of which the batch knows a label.
    """
    if task == TRAITS:
        return masked_mse(outputs, targets)
    if task != ALL:
        return masked_bce(outputs, targets)
    traits = targets.shape[1] - len(DISEASES)
    of_traits = masked_mse(outputs[:, :traits], targets[:, :traits])
    return of_traits + masked_bce(outputs[:, traits:], targets[:, traits:])


def selection_rule(task: str, targets: Float) -> str:
    """What chooses the best epoch on a validation split.

    Returns
    -------
    str
        ``mean_r`` for traits, ``auc`` for a disease, ``mean_r_auc`` for ``all``; ``loss`` where the split has one class
        only, or no trait known twice (for ``all``: both); ``last`` where it has no known target at all.
    """
    is_known = ~np.isnan(targets)
    if not is_known.any():
        return "last"
    traits = _trait_count(task, targets)
    has_traits = bool((is_known[:, :traits].sum(axis=0) >= 2).any())
    has_classes = any(len(np.unique(column[~np.isnan(column)])) == 2 for column in targets[:, traits:].T)
    if not has_traits and not has_classes:
        return "loss"
    return "mean_r_auc" if task == ALL else "mean_r" if task == TRAITS else "auc"


def score_task(task: str, rule: str, outputs: Float, targets: Float) -> dict[str, float]:
    """Score a whole validation split, in float64 and without dropping a visit.

    Parameters
    ----------
    outputs, targets
        (n, targets); NaN in `targets` is unknown.

    Returns
    -------
    dict
        ``loss``; ``mean_r`` of traits, ``auc`` of a disease, and for ``all`` ``mean_r``, ``mean_auc`` and their mean
        ``mean_r_auc``, each over its defined parts and NaN where there is none; and ``score``, the value of `rule`, to be
        raised.
    """
    loss = (
        float(task_loss(task, torch.from_numpy(outputs), torch.from_numpy(targets))) if len(outputs) else float("nan")
    )
    scores = {"loss": loss}
    traits = _trait_count(task, targets)
    if task in {TRAITS, ALL}:
        scores["mean_r"] = mean_defined(pearson_per_trait(targets[:, :traits], outputs[:, :traits]))
    if task == ALL:
        found = [roc_auc(targets[:, i], outputs[:, i]) for i in range(traits, targets.shape[1])]
        scores["mean_auc"] = mean_defined(np.array(found))
        scores["mean_r_auc"] = mean_defined(np.array([scores["mean_r"], scores["mean_auc"]]))
    elif task != TRAITS:
        scores["auc"] = roc_auc(targets[:, 0], outputs[:, 0])
    by_rule = {"loss": -loss, "last": float("nan")}
    return {**scores, "score": by_rule[rule] if rule in by_rule else scores[rule]}


def _trait_count(task: str, targets: Float) -> int:
    """How many of the columns are traits; they come first."""
    return int(targets.shape[1]) - (len(DISEASES) if task == ALL else 0 if task == TRAITS else 1)
