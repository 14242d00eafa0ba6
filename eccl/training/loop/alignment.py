"""Inputs and validation of an alignment, with a teacher or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.models.contrast import contrast
from eccl.models.projection import Aligned
from eccl.training.inputs.augment import augment_ecg, scale_ecg
from eccl.training.inputs.sampling import Positions, chunks, epoch_batches
from eccl.training.inputs.sources import Source
from eccl.training.inputs.targets import TRAITS, TaskTargets
from eccl.training.inputs.teacher import Teacher
from eccl.training.loop.runtime import Runtime
from eccl.training.loop.scoring import score_task
from eccl.training.loop.tasks import AlignTask
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.settings.config import AlignConfig


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions of paired visits among recordings (`ecg`) and cines (`cmr`)."""

    ecg: NDArray[np.int64]
    cmr: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """What the training loop asks for.

    Parameters
    ----------
    teacher
        None without a contrastive term.
    val
        Positions among `pairs` of the validation split.
    rule
        From :func:`eccl.training.loop.scoring.selection_rule`.
    """

    module: Aligned
    ecg: Source
    teacher: Teacher | None
    pairs: Pairs
    targets: TaskTargets
    config: AlignConfig
    val: Positions
    rule: str
    runtime: Runtime

    def plan(self, name: str, train: Positions) -> TrainingPlan:
        """The plan of a run that trains on some of the pairs."""
        labels = None if self.targets.scaler is not None else self.targets.values[self.pairs.ecg[train], 0]
        shown = epoch_batches(
            train,
            labels,
            batch_size=self.config.optimiser.batch_size,
            negatives_per_case=self.config.negatives_per_case,
            seed=self.config.seed,
            drop_last=True,
            block=None if self.ecg.block is None else self.ecg.block[self.pairs.ecg],
        )
        task = AlignTask(self.module, self.targets.task, self.config, self.runtime.gather)
        return TrainingPlan(name, self.module, task, shown, self.inputs, self.validate, self.announce)

    def announce(self, batches: Sequence[Positions]) -> None:
        """Let the arrays be read ahead."""
        self.ecg.expect([self.pairs.ecg[batch] for batch in batches])
        if self.teacher is not None:
            self.teacher.expect([self.pairs.cmr[batch] for batch in batches])

    def inputs(self, batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Recordings, targets and, with a teacher, its features."""
        config, positions = self.config, self.pairs.ecg[batch]
        has_flips = config.augment.flip_for_diseases or self.targets.task == TRAITS
        changed = augment_ecg(self.ecg.batch(positions), config.augment, generator, flips=has_flips)
        target = torch.from_numpy(self.targets.values[positions]).float().to(self.ecg.device)
        shown = scale_ecg(changed, config.augment.scaling), target
        return shown if self.teacher is None else (*shown, self.teacher.draw(self.pairs.cmr[batch], generator))

    def validate(self) -> dict[str, float]:
        """Scores of the validation split and, with a teacher, its contrastive loss by batches, weighted by their size."""
        config, val = self.config, self.val
        outputs = torch.zeros(len(val), self.targets.width, dtype=torch.float64)
        contrastive = torch.zeros(1, dtype=torch.float64)
        todo = self.runtime.share_list(chunks(len(val), config.optimiser.batch_size))
        self.announce([val[batch] for batch in todo])
        for batch in todo:
            with self.runtime.autocast():
                scaled = scale_ecg(self.ecg.batch(self.pairs.ecg[val[batch]]), config.augment.scaling)
                _, z_ecg, values = self.module(scaled)
            outputs[torch.from_numpy(batch)] = values.double().cpu()
            contrastive += self._contrast(val[batch], z_ecg) * len(batch) / max(len(val), 1)
        found = self.runtime.total(outputs).cpu().numpy()
        scores = score_task(self.targets.task, self.rule, found, self.targets.values[self.pairs.ecg[val]])
        return scores if self.teacher is None else {"contrastive": float(self.runtime.total(contrastive)), **scores}

    def _contrast(self, positions: Positions, z_ecg: Tensor) -> float:
        if self.teacher is None:
            return 0.0
        with self.runtime.autocast():
            z_cmr = self.module.project_cmr(self.teacher.look(self.pairs.cmr[positions]))
        label = torch.from_numpy(self.targets.values[self.pairs.ecg[positions], 0]).to(z_ecg.device)
        return float(contrast(self.config.alignment, z_ecg, z_cmr, self.module.temperature(), label))
