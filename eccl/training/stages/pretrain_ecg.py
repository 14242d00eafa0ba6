"""Stage 1a: masked autoencoding of the train split's recordings. Validation recordings only choose the best epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccl.errors import ConfigError
from eccl.models.mae import MaskedAutoencoder
from eccl.training.augment import augment_ecg, scale_ecg
from eccl.training.config import PretrainEcgConfig
from eccl.training.datasets import ResidentArray, recording_visits
from eccl.training.runs import Run, identify, save_run
from eccl.training.sampling import Positions, chunks, epoch_batches
from eccl.training.session import Session
from eccl.training.trainer import TrainingPlan, fit, seed_everything


def run(session: Session) -> Run:
    """Train the autoencoder; its encoder is where :mod:`eccl.training.stages.align` starts.

    Raises
    ------
    ConfigError
        The train split has no recording.
    """
    config, data = session.params.preset.pretrain_ecg, session.workspace.data
    visits = recording_visits(data)
    train, val = visits.select("train", config.instances), visits.select("val", config.instances)
    if not len(train):
        raise ConfigError("the train split has no recording at `instances`; ingest more visits or change `instances`")
    params = {"config": dataclasses.asdict(config)}
    identity = identify("pretrain_ecg", None, session.params.name, params, session.data_version)
    seed_everything(config.seed, session.device)
    ecg = ResidentArray(data, "ecg.zarr/clean", visits.row[np.concatenate([train, val])], session.device)
    module = MaskedAutoencoder(config.encoder, config.masking).to(session.device)
    plan = _plan(identity.run, module, ecg, len(train), config)
    result = fit(module, plan, config.optimiser, session.device, config.seed)
    return save_run(
        session.workspace,
        identity,
        module,
        session.gate,
        session.device_name,
        {
            "best_epoch": result.best_epoch,
            "metrics": {"selection": "loss" if len(val) else "last", **result.metrics},
            "split_counts": {"train": {"visits": len(train)}, "val": {"visits": len(val)}},
        },
    )


def _plan(
    name: str, module: MaskedAutoencoder, ecg: ResidentArray, train_count: int, config: PretrainEcgConfig
) -> TrainingPlan:
    scaling, size = config.augment.scaling, config.optimiser.batch_size

    def losses(batch: Positions, generator: torch.Generator) -> Mapping[str, Tensor]:
        changed = augment_ecg(ecg.batch(batch), config.augment, generator)
        values: Mapping[str, Tensor] = module(scale_ecg(changed, scaling), generator)
        return values

    def validate() -> dict[str, Any]:
        # The same masks every epoch, so that epochs can be compared.
        generator = torch.Generator().manual_seed(config.seed)
        sums, count = {"loss": 0.0, "mse": 0.0, "ncc": 0.0}, len(ecg) - train_count
        for batch in chunks(count, size):
            values = module(scale_ecg(ecg.batch(train_count + batch), scaling), generator)
            sums = {key: total + float(values[key]) * len(batch) for key, total in sums.items()}
        means = {key: total / count if count else float("nan") for key, total in sums.items()}
        return {**means, "score": -means["loss"]}

    shown = epoch_batches(
        np.arange(train_count), None, batch_size=size, negatives_per_case=1, seed=config.seed, drop_last=False
    )
    return TrainingPlan(name, shown, losses, validate)
