"""Stage 1b: a supervised CMR encoder for one task, then frozen; its view of every cine becomes features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from eccl.errors import ConfigError
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Supervised
from eccl.training.inputs.augment import clean_view, draw_views
from eccl.training.inputs.sampling import Positions, chunks, epoch_batches
from eccl.training.inputs.targets import TRAITS, TaskTargets, read_targets
from eccl.training.inputs.teacher import Cines, config_of, load_cines, reusable_views, teacher_key
from eccl.training.inputs.visits import cine_visits
from eccl.training.loop.execution import carry_out
from eccl.training.loop.frozen import FrozenEncoder
from eccl.training.loop.runtime import Runtime
from eccl.training.loop.scoring import score_task, selection_rule
from eccl.training.loop.tasks import SupervisedTask
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.outputs.compute_features import count_targets, describe_cines, look_at_cines
from eccl.training.outputs.rows import vector_rows, write_tables
from eccl.training.runs import Run, RunIdentity, identify, load_weights
from eccl.training.session import Session
from eccl.training.settings.config import PretrainCmrConfig

STAGE = "pretrain_cmr"


def run(session: Session) -> Run | None:
    """Train one CMR encoder on cines of the train split, then write what it says of every cine.

    Raises
    ------
    ConfigError
        The train split has no cine with a known target.
    """
    config, task = session.params.preset.pretrain_cmr, session.task or TRAITS
    visits, _ = cine_visits(session.workspace.data)
    targets = read_targets(session.workspace.data, visits, task, session.params.label_definition, config.instances)
    train, val = targets.train, visits.select("val", config.instances)
    if not len(train):
        raise ConfigError(f"no cine of the train split has a known target for {task}; ingest more visits")
    params = {"config": config.model_dump(), **targets.params()}
    identity = identify(STAGE, task, session.params.name, params, session.data_version, naming=session.naming)
    session.runtime.seed(config.seed)
    cines = load_cines(session.workspace.data, session.runtime, config)
    module = Supervised(CmrEncoder(config.encoder), targets.width).to(session.device)
    rule = selection_rule(task, targets.values[val])
    record = {
        "selection": rule,
        "split_counts": {"train": targets.count(train), "val": targets.count(val)},
        **targets.record(),
    }
    plan = _plan(identity.run, module, cines.guarded(), targets, config, val, rule, session.runtime)

    def describe(saved: Run) -> None:
        write_views(session, identity, saved, module, cines, targets)

    return carry_out(session, identity, plan, config.optimiser, config.seed, cines.frames, record, describe)


def rebuild(finished: Run) -> tuple[Supervised, PretrainCmrConfig]:
    """The network of a finished run and how it sees cines, from the run's own record and weights alone.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit this code.
    """
    config = config_of(finished)
    network = Supervised(CmrEncoder(config.encoder), count_targets(finished))
    load_weights(network, finished.weights(), str(finished.record["run"]))
    return network, config


def write_views(
    session: Session, identity: RunIdentity, saved: Run, module: Supervised, cines: Cines, targets: TaskTargets
) -> None:
    """Write embeddings, teacher cache and predictions of all cines.

    Augmented views that an earlier run with the very same weights, transform and data has cached are not computed again.
    """
    config, visits, folder = session.params.preset.pretrain_cmr, cines.visits, session.workspace.features
    teacher = FrozenEncoder(module.encoder)
    # From here on the network is a teacher; the training weights are already saved.
    key = teacher_key(saved.record["weights_sha256"], config, session.data_version, session.runtime.precision)
    known = reusable_views(folder, identity.run, key, visits, config.teacher_views)
    wanted = (None, *range(config.teacher_views))
    clean, *views = known or [look_at_cines(teacher, cines, config, session.runtime, number) for number in wanted]
    empty = vector_rows(visits.take(np.arange(0)), identity, clean[:0], 0, key)
    cached = [vector_rows(visits, identity, one, n, key) for n, one in enumerate(views)]
    tables = describe_cines(module, visits, clean, identity, targets.scaler, session.runtime)
    write_tables(folder, identity.run, {**tables, "cmr_teacher": pa.concat_tables([empty, *cached])})


def _plan(
    name: str,
    module: Supervised,
    cines: Cines,
    targets: TaskTargets,
    config: PretrainCmrConfig,
    val: Positions,
    rule: str,
    runtime: Runtime,
) -> TrainingPlan:
    target = torch.from_numpy(targets.values).float().to(cines.frames.device)

    def inputs(batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        view = draw_views(len(batch), config.cine, generator)
        return cines.batch(batch, view), target[torch.from_numpy(batch).to(target.device)]

    def validate() -> dict[str, Any]:
        outputs = torch.zeros(len(val), targets.width, dtype=torch.float64)
        todo = runtime.share_list(chunks(len(val), config.optimiser.batch_size))
        cines.frames.expect([val[batch] for batch in todo])
        for batch in todo:
            with runtime.autocast():
                values = module(cines.batch(val[batch], clean_view(len(batch))))[1]
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
    task = SupervisedTask(module, targets.task, runtime.gather)
    return TrainingPlan(name, module, task, shown, inputs, validate, cines.frames.expect)
