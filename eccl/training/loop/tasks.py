"""Training tasks: a network and its loss in one module, which takes tensors and returns named losses.

Only a forward call of the whole task tells data-parallel training which gradients to wait for, so losses are in here.
The masked autoencoder is a task by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from eccl.models.contrast import contrast
from eccl.models.cross_modal_autoencoder import CrossModalAutoencoder
from eccl.models.losses import info_nce
from eccl.models.projection import Aligned, Supervised
from eccl.training.loop.scoring import task_loss
from eccl.training.settings.config import AlignConfig

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
        # Only a disease task has one label per visit, in its only column; no other loss looks at it.
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
