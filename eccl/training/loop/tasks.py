"""Training tasks: a network and its loss in one module, and the validation scores of a task.

Data-parallel training waits for the gradients of one forward call of the whole task, so losses are part of it. The masked
autoencoder is a task by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eccl.models.cross_modal_autoencoder import CrossModalAutoencoder
from eccl.models.losses import contrast, info_nce, masked_bce, masked_mse
from eccl.models.projection import Aligned, Supervised
from eccl.models.scores import mean_defined, pearson_per_trait, roc_auc
from eccl.training.inputs.targets import TRAITS
from eccl.training.settings import ALL, DISEASES, AlignConfig

Float = NDArray[np.float64]
Gather = Callable[[Tensor], Tensor]


class SupervisedTask(nn.Module):
    """Cines to one task's targets.

    Parameters
    ----------
    network
        CMR encoder and head.
    task
        ``traits``, a disease code or ``all``.
    gather
        Joins the rows of all devices: a trait's mean error is over all its known values, not over means.
    """

    def __init__(self, network: Supervised, task: str, gather: Gather = lambda rows: rows) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.gather = gather

    def forward(self, cine: Tensor, target: Tensor) -> dict[str, Tensor]:
        """``loss`` of (batch, 50, size, size) cines and (batch, targets) targets with NaN for unknown."""
        _, outputs = self.network(cine)
        return {"loss": task_loss(self.task, self.gather(outputs), self.gather(target))}


class AlignTask(nn.Module):
    """Recordings to the teacher's view of the same visits and to one task's targets.

    Parameters
    ----------
    network
        ECG encoder, task head and, where there is a teacher, both projections.
    task
        ``traits``, a disease code or ``all``.
    config
        Contrastive loss, and weights of both terms.
    gather
        Joins the rows of all devices: every other visit of the whole batch is a negative, not only those of one device.
    """

    def __init__(self, network: Aligned, task: str, config: AlignConfig, gather: Gather = lambda rows: rows) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.config = config
        self.gather = gather

    def forward(self, ecg: Tensor, target: Tensor, teacher: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of a batch.

        Parameters
        ----------
        ecg
            (batch, 12, 5000) float, scaled.
        target
            (batch, targets), NaN for unknown.
        teacher
            (batch, teacher_dim) features of the frozen CMR encoder; None leaves the contrastive term out.

        Returns
        -------
        dict
            ``loss``, ``task`` and, with a teacher, ``contrastive``, of the whole batch on every device.
        """
        _, z_ecg, outputs = self.network(ecg)
        outputs, target = self.gather(outputs), self.gather(target)
        task = task_loss(self.task, outputs, target)
        if teacher is None:
            return {"loss": self.config.task_weight * task, "task": task}
        z_ecg, z_cmr = self.gather(z_ecg), self.gather(self.network.project_cmr(teacher))
        # Only a disease task has one label per visit, in its only column; no other loss reads it.
        contrastive = contrast(self.config.alignment, z_ecg, z_cmr, self.network.temperature(), target[:, 0])
        total = self.config.contrastive_weight * contrastive + self.config.task_weight * task
        return {"loss": total, "contrastive": contrastive, "task": task}


class CrossModalTask(nn.Module):
    """Pairs to themselves, through each other's latent.

    Parameters
    ----------
    network
        Encoders and decoders of both modalities.
    gather
        Joins the rows of all devices.
    """

    def __init__(self, network: CrossModalAutoencoder, gather: Gather = lambda rows: rows) -> None:
        super().__init__()
        self.network = network
        self.gather = gather

    def forward(self, ecg: Tensor, cine: Tensor) -> dict[str, Tensor]:
        """Losses of a batch, see :meth:`eccl.models.cross_modal_autoencoder.CrossModalAutoencoder.forward`.

        Returns
        -------
        dict
            ``loss``, the four reconstruction errors and ``contrastive``, of the whole batch on every device.
        """
        spec = self.network.spec
        ecg_latent, cmr_latent, errors = self.network(ecg, cine)
        terms = {name: self.gather(each).mean() for name, each in errors.items()}
        contrastive = info_nce(self.gather(ecg_latent), self.gather(cmr_latent), spec.temperature)
        reconstruction = torch.stack(list(terms.values())).mean()
        loss = spec.reconstruction_weight * reconstruction + spec.contrastive_weight * contrastive
        return {"loss": loss, **terms, "contrastive": contrastive}


def task_loss(task: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Masked squared error of standardised traits, or cross-entropy of a disease; for ``all``, with the traits first, the sum.

    The diseases' part is the mean over those with a label in the batch.
    """
    if task == TRAITS:
        return masked_mse(outputs, targets)
    if task != ALL:
        return masked_bce(outputs, targets)
    traits = targets.shape[1] - len(DISEASES)
    of_traits = masked_mse(outputs[:, :traits], targets[:, :traits])
    return of_traits + masked_bce(outputs[:, traits:], targets[:, traits:])


def selection_rule(task: str, targets: Float) -> str:
    """Score that selects the best epoch on a validation split.

    Returns
    -------
    str
        ``mean_r`` for traits, ``auc`` for a disease, ``mean_r_auc`` for ``all``; ``loss`` where the split has one class
        only, or no trait with two values (for ``all``: both); ``last`` where it has no target at all.
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
