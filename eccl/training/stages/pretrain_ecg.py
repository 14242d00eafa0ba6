"""Stage 1a: masked autoencoding of the train split's recordings. Validation recordings only select the best epoch."""

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
from eccl.training.loop.execution import train_run
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.runs import Run, RunContext, RunIdentity
from eccl.training.session import Session
from eccl.training.settings import PretrainEcgConfig

STAGE = "pretrain_ecg"
_MASK_PURPOSE = 1 << 20  # keeps validation's masks apart from those of any epoch


def run(session: Session) -> Run | None:
    """Train the autoencoder; :mod:`eccl.training.stages.align` loads the weights of its encoder.

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
    identity = identify_run(session)
    held = visits.take(np.concatenate([train, val]))
    ecg = GuardedSource(open_source(data, ECG.model_array, held.row, session.runtime), held.split)
    network = MaskedAutoencoder(config.encoder, config.masking).to(session.device)
    context = RunContext(network, config, identity, None, session.runtime)
    record = {
        "selection": "loss" if len(val) else "last",
        "split_counts": {"train": {"visits": len(train)}, "val": {"visits": len(val)}},
    }
    return train_run(session, context, _plan(context, ecg, len(train)), record)


def identify_run(session: Session) -> RunIdentity:
    """Compute the identity of the run; no array is read."""
    return session.identify(STAGE, None, session.params.preset.pretrain_ecg)


def _plan(context: RunContext[MaskedAutoencoder, PretrainEcgConfig], ecg: Source, train_count: int) -> TrainingPlan:
    """Inputs and validation; positions below `train_count` train."""
    network, config, runtime = context.network, context.config, context.runtime
    scaling, size = config.augment.scaling, config.optimiser.batch_size

    def inputs(batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        changed = augment_ecg(ecg.batch(batch), config.augment, generator)
        return scale_ecg(changed, scaling), network.draw_noise(len(batch), generator)

    def validate() -> dict[str, Any]:
        sums, count = torch.zeros(3, device=ecg.device), len(ecg) - train_count
        batches = runtime.share_list(chunks(count, size))
        ecg.expect([train_count + batch for batch in batches])
        for batch in batches:
            # The same masks every epoch, so that epochs can be compared; one seed per batch, on whichever device.
            seed = np.random.SeedSequence([config.seed, _MASK_PURPOSE, int(batch[0])]).generate_state(1)[0]
            noise = network.draw_noise(len(batch), torch.Generator().manual_seed(int(seed)))
            with runtime.autocast():
                values = network(scale_ecg(ecg.batch(train_count + batch), scaling), noise)
            sums += len(batch) * torch.stack([values[name].float() for name in ("loss", "mse", "ncc")])
        loss, mse, ncc = (runtime.total(sums) / count).tolist() if count else [float("nan")] * 3
        return {"loss": loss, "mse": mse, "ncc": ncc, "score": -loss}

    shown = epoch_batches(
        np.arange(train_count), None, batch_size=size, seed=config.seed, drop_last=False, block=ecg.block
    )
    streamed = ecg.block is not None
    return TrainingPlan(context.identity.run, network, network, shown, inputs, validate, ecg.expect, streamed)
