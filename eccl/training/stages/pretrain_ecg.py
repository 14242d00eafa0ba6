"""Stage 1a: masked autoencoding of the train split's recordings. Validation recordings only choose the best epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccl.errors import ConfigError
from eccl.modalities import ECG
from eccl.models.mae import MaskedAutoencoder
from eccl.training.inputs.augment import augment_ecg, scale_ecg
from eccl.training.inputs.sampling import Positions, chunks, epoch_batches
from eccl.training.inputs.sources import GuardedSource, Source, open_source
from eccl.training.inputs.visits import recording_visits
from eccl.training.loop.execution import carry_out
from eccl.training.loop.runtime import Runtime
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.runs import Run, identify
from eccl.training.session import Session
from eccl.training.settings.config import PretrainEcgConfig

_MASK_PURPOSE = 1 << 20  # keeps validation's masks apart from those of any epoch


def run(session: Session) -> Run | None:
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
    params = {"config": config.model_dump()}
    identity = identify("pretrain_ecg", None, session.params.name, params, session.data_version, naming=session.naming)
    session.runtime.seed(config.seed)
    held = visits.take(np.concatenate([train, val]))
    ecg = GuardedSource(open_source(data, ECG.model_array, held.row, session.runtime), held.split)
    module = MaskedAutoencoder(config.encoder, config.masking).to(session.device)
    record = {
        "selection": "loss" if len(val) else "last",
        "split_counts": {"train": {"visits": len(train)}, "val": {"visits": len(val)}},
    }
    plan = _plan(identity.run, module, ecg, len(train), config, session.runtime)
    return carry_out(session, identity, plan, config.optimiser, config.seed, ecg, record)


def _plan(
    name: str, module: MaskedAutoencoder, ecg: Source, train_count: int, config: PretrainEcgConfig, runtime: Runtime
) -> TrainingPlan:
    scaling, size = config.augment.scaling, config.optimiser.batch_size

    def inputs(batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        changed = augment_ecg(ecg.batch(batch), config.augment, generator)
        return scale_ecg(changed, scaling), module.draw_noise(len(batch), generator)

    def validate() -> dict[str, Any]:
        sums, count = torch.zeros(3, device=ecg.device), len(ecg) - train_count
        todo = runtime.share_list(chunks(count, size))
        ecg.expect([train_count + batch for batch in todo])
        for batch in todo:
            # The same masks every epoch, so that epochs can be compared; one seed per batch, whoever computes it.
            seed = np.random.SeedSequence([config.seed, _MASK_PURPOSE, int(batch[0])]).generate_state(1)[0]
            noise = module.draw_noise(len(batch), torch.Generator().manual_seed(int(seed)))
            with runtime.autocast():
                values = module(scale_ecg(ecg.batch(train_count + batch), scaling), noise)
            sums += len(batch) * torch.stack([values[name].float() for name in ("loss", "mse", "ncc")])
        loss, mse, ncc = (runtime.total(sums) / count).tolist() if count else [float("nan")] * 3
        return {"loss": loss, "mse": mse, "ncc": ncc, "score": -loss}

    shown = epoch_batches(
        np.arange(train_count),
        None,
        batch_size=size,
        negatives_per_case=1,
        seed=config.seed,
        drop_last=False,
        block=ecg.block,
    )
    return TrainingPlan(name, module, module, shown, inputs, validate, ecg.expect)
