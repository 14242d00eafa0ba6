"""Stage 1b: a supervised CMR encoder for one task, then frozen; its features of every cine are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from eccl.errors import ConfigError
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Supervised
from eccl.training.compute_features import cine_features, teacher_features, vector_rows, write_tables
from eccl.training.inputs.augment import clean_view, draw_views
from eccl.training.inputs.sampling import Positions, chunks, epoch_batches
from eccl.training.inputs.targets import TRAITS, TaskTargets, read_targets, target_params
from eccl.training.inputs.teacher import Cines, load_cines, reusable_views, teacher_key
from eccl.training.inputs.visits import cine_visits
from eccl.training.loop.execution import train_run
from eccl.training.loop.tasks import SupervisedTask, score_task, selection_rule
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.runs import Run, RunContext, RunIdentity, count_targets, load_weights
from eccl.training.session import Session
from eccl.training.settings import PretrainCmrConfig

STAGE = "pretrain_cmr"
Context = RunContext[Supervised, PretrainCmrConfig]


def run(session: Session) -> Run | None:
    """Train one CMR encoder on cines of the train split, then write its features of every cine.

    Raises
    ------
    ConfigError
        The train split has no cine with a known target.
    """
    config, task, data = session.params.preset.pretrain_cmr, session.task or TRAITS, session.workspace.data
    visits, _ = cine_visits(data)
    targets = read_targets(data, visits, task, session.params.label_definition, config.instances)
    train, val = targets.train, visits.select("val", config.instances)
    if not len(train):
        raise ConfigError(f"no cine of the train split has a known target for {task}; ingest more visits")
    identity = identify_run(session)
    cines = load_cines(data, session.runtime, config)
    network = Supervised(CmrEncoder(config.encoder), targets.width).to(session.device)
    context = RunContext(network, config, identity, targets.scaler, session.runtime)
    rule = selection_rule(task, targets.values[val])
    record = {
        "selection": rule,
        "split_counts": {"train": targets.count(train), "val": targets.count(val)},
        **targets.record(),
    }
    plan = _plan(context, cines.guarded(), targets, val, rule)
    return train_run(session, context, plan, record, lambda saved: write_views(session, context, saved, cines))


def identify_run(session: Session) -> RunIdentity:
    """Compute the identity of the run; no array is read."""
    task = session.task or TRAITS
    params = target_params(task, session.params.label_definition)
    return session.identify(STAGE, task, session.params.preset.pretrain_cmr, **params)


def rebuild(finished: Run) -> tuple[Supervised, PretrainCmrConfig]:
    """Load the network of a finished run and its configuration, from the run's own record and weights alone.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit this code.
    """
    config = finished.read_params(PretrainCmrConfig, "config")
    network = Supervised(CmrEncoder(config.encoder), count_targets(finished))
    load_weights(network, finished.weights(), str(finished.record["run"]))
    return network, config


def write_views(session: Session, context: Context, saved: Run, cines: Cines) -> None:
    """Write embeddings, teacher cache and predictions of all cines.

    Augmented views that an earlier run with the very same weights, transform and data has cached are not computed again.
    """
    config, identity, visits = context.config, context.identity, cines.visits
    folder = session.workspace.features
    key = teacher_key(saved.record["weights_sha256"], config, session.data_version, session.runtime.precision)
    cached = reusable_views(folder, identity.run, key, visits, config.teacher_views)
    clean, *views = cached or [teacher_features(context, cines, n) for n in (None, *range(config.teacher_views))]
    empty = vector_rows(visits.take(np.arange(0)), identity, clean[:0], 0, key)
    augmented = [vector_rows(visits, identity, view, n, key) for n, view in enumerate(views)]
    tables = cine_features(context, visits, clean)
    write_tables(folder, identity.run, {**tables, "cmr_teacher": pa.concat_tables([empty, *augmented])})


def _plan(context: Context, cines: Cines, targets: TaskTargets, val: Positions, rule: str) -> TrainingPlan:
    network, config, runtime = context.network, context.config, context.runtime
    target = torch.from_numpy(targets.values).float().to(cines.frames.device)

    def inputs(batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        view = draw_views(len(batch), config.cine, generator)
        return cines.batch(batch, view), target[torch.from_numpy(batch).to(target.device)]

    def validate() -> dict[str, Any]:
        outputs = torch.zeros(len(val), targets.width, dtype=torch.float64)
        batches = runtime.share_list(chunks(len(val), config.optimiser.batch_size))
        cines.frames.expect([val[batch] for batch in batches])
        for batch in batches:
            with runtime.autocast():
                values = network(cines.batch(val[batch], clean_view(len(batch))))[1]
            outputs[torch.from_numpy(batch)] = values.double().cpu()
        return score_task(targets.task, rule, runtime.total(outputs).cpu().numpy(), targets.values[val])

    shown = epoch_batches(
        targets.train,
        targets.train_labels(),
        batch_size=config.optimiser.batch_size,
        negatives_per_case=config.negatives_per_case,
        seed=config.seed,
        drop_last=False,
        block=cines.frames.block,
    )
    task = SupervisedTask(network, targets.task, runtime.gather)
    streamed = cines.frames.block is not None
    return TrainingPlan(context.identity.run, network, task, shown, inputs, validate, cines.frames.expect, streamed)
