"""Cross-modal autoencoding of the train split's pairs: the baseline CMAE, whose ECG encoder an alignment can start from.

The encoders have the shapes of the preset's two other pre-trainings, so that arms differ in how they are trained alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccl.errors import ConfigError
from eccl.modalities import ECG
from eccl.models.cross_modal_autoencoder import CrossModalAutoencoder
from eccl.training.inputs.augment import augment_ecg, clean_view, draw_views, scale_ecg
from eccl.training.inputs.sampling import Positions, chunks, epoch_batches
from eccl.training.inputs.sources import GuardedSource, Source, open_source
from eccl.training.inputs.teacher import Cines, load_cines
from eccl.training.inputs.visits import cine_visits, paired_visits, recording_visits
from eccl.training.loop.execution import train_run
from eccl.training.loop.tasks import CrossModalTask
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.runs import Run, RunContext, RunIdentity
from eccl.training.session import Session
from eccl.training.settings import PretrainCmaeConfig

STAGE = "pretrain_cmae"
TERMS = ("loss", "ecg_from_ecg", "ecg_from_cmr", "cmr_from_ecg", "cmr_from_cmr", "contrastive")


def run(session: Session) -> Run | None:
    """Train both autoencoders; the validation split's loss chooses the epoch.

    Raises
    ------
    ConfigError
        The train split has fewer than two pairs.
    """
    preset, data = session.params.preset, session.workspace.data
    config, ecg_spec, cmr_spec = preset.pretrain_cmae, preset.pretrain_ecg.encoder, preset.pretrain_cmr.encoder
    recordings, (cines, _) = recording_visits(data), cine_visits(data)
    of_ecg, of_cmr = paired_visits(data, recordings, cines)
    is_used = np.isin(recordings.instance[of_ecg], config.instances)
    split = recordings.split[of_ecg]
    train, val = (np.flatnonzero(is_used & (split == name)) for name in ("train", "val"))
    if len(train) < 2:
        raise ConfigError(f"the train split has {len(train)} pairs at `instances`; expected at least 2; ingest more")
    identity = identify_run(session)
    # Both modalities in the order of the pairs, training pairs first: one position is one visit in either.
    held = np.concatenate([train, val])
    paired = recordings.take(of_ecg[held])
    ecg = GuardedSource(open_source(data, ECG.model_array, paired.row, session.runtime), paired.split)
    cine_config = preset.pretrain_cmr.model_copy(update={"cine": config.cine})
    frames = load_cines(data, session.runtime, cine_config, of_cmr[held]).guarded()
    network = CrossModalAutoencoder(ecg_spec, cmr_spec, config.autoencoder).to(session.device)
    record = {
        "selection": "loss" if len(val) else "last",
        "split_counts": {"train": {"visits": len(train)}, "val": {"visits": len(val)}},
    }
    context = RunContext(network, config, identity, None, session.runtime)
    return train_run(session, context, _Autoencoding(context, ecg, frames, len(train)).plan(), record)


def identify_run(session: Session) -> RunIdentity:
    """Compute the identity of the run; no array is read."""
    preset = session.params.preset
    encoders = {"ecg_encoder": preset.pretrain_ecg.encoder, "cmr_encoder": preset.pretrain_cmr.encoder}
    params: dict[str, Any] = {name: spec.model_dump() for name, spec in encoders.items()}
    return session.identify(STAGE, None, preset.pretrain_cmae, **params)


@dataclass(frozen=True, slots=True)
class _Autoencoding:
    """Inputs and validation of the stage; positions below `train_count` train."""

    context: RunContext[CrossModalAutoencoder, PretrainCmaeConfig]
    ecg: Source
    cines: Cines
    train_count: int

    def plan(self) -> TrainingPlan:
        config, network = self.context.config, self.context.network
        shown = epoch_batches(
            np.arange(self.train_count),
            None,
            batch_size=config.optimiser.batch_size,
            seed=config.seed,
            drop_last=True,
            block=self.cines.frames.block,  # the cines are what is large
        )
        task = CrossModalTask(network, self.context.runtime.gather)
        name, streamed = self.context.identity.run, self.ecg.block is not None
        return TrainingPlan(name, network, task, shown, self.inputs, self.validate, self.announce, streamed)

    def announce(self, batches: Sequence[Positions]) -> None:
        self.ecg.expect(batches)
        self.cines.frames.expect(batches)

    def inputs(self, batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        config = self.context.config
        changed = augment_ecg(self.ecg.batch(batch), config.augment, generator)
        view = draw_views(len(batch), config.cine, generator)
        return scale_ecg(changed, config.augment.scaling), self.cines.batch(batch, view)

    def validate(self) -> dict[str, float]:
        """Every loss of the validation split by batches, weighted by their size; ``score`` is the loss's negative."""
        config, runtime = self.context.config, self.context.runtime
        count = len(self.ecg) - self.train_count
        if not count:
            return {"loss": float("nan"), "score": float("nan")}
        task = CrossModalTask(self.context.network)  # each process scores batches of its own, so nothing is gathered
        sums = torch.zeros(len(TERMS), device=self.ecg.device)
        batches = runtime.share_list([self.train_count + batch for batch in chunks(count, config.optimiser.batch_size)])
        self.announce(batches)
        for batch in batches:
            with runtime.autocast():
                scaled = scale_ecg(self.ecg.batch(batch), config.augment.scaling)
                terms = task(scaled, self.cines.batch(batch, clean_view(len(batch))))
            sums += len(batch) * torch.stack([terms[name].float() for name in TERMS])
        values = dict(zip(TERMS, (runtime.total(sums) / count).tolist(), strict=True))
        return {**values, "score": -values["loss"]}
