"""Training tasks: a network and its loss in one module, which takes tensors and returns named losses.

Only a forward call of the whole task tells data-parallel training which gradients to wait for, so losses are in here.
The masked autoencoder is a task by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from eccl.models.losses import info_nce
from eccl.models.projection import Aligned, Supervised
from eccl.training.config import AlignConfig
from eccl.training.scoring import task_loss

Gather = Callable[[Tensor], Tensor]


class SupervisedTask(nn.Module):
    """Cines to one task's targets.

    Parameters
    ----------
    network
        CMR encoder and head.
    task
        ``traits`` or a disease code.
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
        ECG encoder, both projections and the task head.
    task
        ``traits`` or a disease code.
    config
        Weights of both terms.
    gather
        Joins the rows of all devices: every other visit of the whole batch is a negative, not only those of one device.
    """

    def __init__(self, network: Aligned, task: str, config: AlignConfig, gather: Gather = lambda rows: rows) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.config = config
        self.gather = gather

    def forward(self, ecg: Tensor, teacher: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses of a batch.

        Parameters
        ----------
        ecg
            (batch, 12, 5000) float, scaled.
        teacher
            (batch, teacher_dim) features of the frozen CMR encoder.
        target
            (batch, targets), NaN for unknown.

        Returns
        -------
        dict
            ``loss``, ``contrastive`` and ``task``, of the whole batch on every device.
        """
        _, z_ecg, outputs = self.network(ecg)
        z_cmr = self.network.project_cmr(teacher)
        z_ecg, z_cmr, outputs, target = (self.gather(one) for one in (z_ecg, z_cmr, outputs, target))
        contrastive = info_nce(z_ecg, z_cmr, self.network.temperature(), self.config.alignment.alpha)
        task = task_loss(self.task, outputs, target)
        total = self.config.contrastive_weight * contrastive + self.config.task_weight * task
        return {"loss": total, "contrastive": contrastive, "task": task}
