"""Stage 1b: a supervised CMR encoder for one task, then frozen; its view of every cine becomes features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.errors import ConfigError
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.projection import Supervised
from eccl.training.augment import CineView, clean_view, draw_views, sample_cine, stable_views
from eccl.training.config import PretrainCmrConfig
from eccl.training.datasets import CineGeometry, ResidentArray, Visits, cine_visits
from eccl.training.frozen import FrozenEncoder
from eccl.training.runs import Run, RunIdentity, identify, save_run
from eccl.training.sampling import Positions, chunks, epoch_batches
from eccl.training.scoring import score_task, selection_rule, task_loss
from eccl.training.session import Session
from eccl.training.targets import TRAITS, TaskTargets, read_targets
from eccl.training.trainer import TrainingPlan, fit, precision, seed_everything
from eccl.training.views import disease_rows, store_rows, trait_rows, vector_rows

STAGE = "pretrain_cmr"


@dataclass(frozen=True, slots=True)
class Cines:
    """Cines in memory and how they become the network's input."""

    visits: Visits
    frames: ResidentArray
    geometry: CineGeometry
    config: PretrainCmrConfig

    def batch(self, positions: Positions, view: CineView) -> Tensor:
        """(batch, 50, image_size, image_size) float32 in [-1, 1]."""
        geometry = self.geometry.at(positions, self.frames.device)
        return sample_cine(
            self.frames.batch(positions), geometry, self.config.encoder.image_size, self.config.cine, view
        )


def run(session: Session) -> Run:
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
    params = {"config": dataclasses.asdict(config), **targets.params()}
    identity = identify(STAGE, task, session.params.name, params, session.data_version)
    seed_everything(config.seed, session.device)
    cines = load_cines(session, config)
    module = Supervised(CmrEncoder(config.encoder), targets.width).to(session.device)
    rule = selection_rule(task, targets.values[val])
    plan = _plan(identity.run, module, cines, targets, val, rule)
    result = fit(module, plan, config.optimiser, session.device, config.seed)
    saved = save_run(
        session.workspace,
        identity,
        module,
        session.gate,
        session.device_name,
        {
            "best_epoch": result.best_epoch,
            "metrics": {"selection": rule, **result.metrics},
            "split_counts": {"train": targets.count(train), "val": targets.count(val)},
            **targets.record(),
        },
    )
    write_views(session, identity, module, cines, targets, append=False)
    return saved


def load_cines(session: Session, config: PretrainCmrConfig, only: Positions | None = None) -> Cines:
    """Read all cines into memory, or some of them."""
    visits, geometry = cine_visits(session.workspace.data)
    if only is not None:
        visits, geometry = visits.take(only), geometry.at(only, torch.device("cpu"))
    frames = ResidentArray(session.workspace.data, "cine.zarr/frames", visits.row, session.device)
    return Cines(visits, frames, geometry, config)


def write_views(
    session: Session, identity: RunIdentity, module: Supervised, cines: Cines, targets: TaskTargets, *, append: bool
) -> int:
    """Write embeddings, teacher cache and predictions of all given cines; return the number of rows."""
    config, visits, folder = cines.config, cines.visits, session.workspace.features
    teacher = FrozenEncoder(module.encoder)
    # From here on the network is a teacher; the training weights are already saved.
    clean = _features(teacher, cines, lambda rows: clean_view(len(rows)))
    views = [_cached(teacher, cines, view, identity) for view in range(config.teacher_views)]
    with torch.no_grad():
        outputs = module.head(torch.from_numpy(clean).to(session.device)).float().cpu().numpy()
    if targets.scaler is not None:
        view, rows = "cmr_trait_prediction", trait_rows(visits, identity, outputs, targets.scaler)
    else:
        view, rows = "cmr_disease_prediction", disease_rows(visits, identity, outputs, targets.task)
    empty = vector_rows(visits.take(np.arange(0)), identity, clean[:0], 0)
    tables = {
        "cmr_embedding": vector_rows(visits, identity, clean),
        "cmr_teacher": pa.concat_tables([empty, *views]),
        view: rows,
    }
    return sum(store_rows(folder, name, identity.run, table, append=append) for name, table in tables.items())


def _cached(teacher: FrozenEncoder, cines: Cines, view: int, identity: RunIdentity) -> pa.Table:
    config = cines.config
    vectors = _features(teacher, cines, lambda rows: stable_views(rows, view, config.cine, config.seed))
    return vector_rows(cines.visits, identity, vectors, view)


def _features(
    teacher: FrozenEncoder, cines: Cines, view_of: Callable[[NDArray[np.int64]], CineView]
) -> NDArray[np.float32]:
    found = np.empty((len(cines.visits), teacher.feature_dim), dtype=np.float32)
    for batch in chunks(len(cines.visits), cines.config.optimiser.batch_size):
        found[batch] = teacher(cines.batch(batch, view_of(cines.visits.row[batch]))).float().cpu().numpy()
    return found


def _plan(name: str, module: Supervised, cines: Cines, targets: TaskTargets, val: Positions, rule: str) -> TrainingPlan:
    config = cines.config
    target = torch.from_numpy(targets.values).float().to(cines.frames.device)

    def losses(batch: Positions, generator: torch.Generator) -> Mapping[str, Tensor]:
        _, outputs = module(cines.batch(batch, draw_views(len(batch), config.cine, generator)))
        return {"loss": task_loss(targets.task, outputs, target[torch.from_numpy(batch).to(target.device)])}

    def validate() -> dict[str, Any]:
        outputs = np.empty((len(val), targets.width))
        for batch in chunks(len(val), config.optimiser.batch_size):
            with precision(cines.frames.device):
                values = module(cines.batch(val[batch], clean_view(len(batch))))[1]
            outputs[batch] = values.double().cpu().numpy()
        return score_task(targets.task, rule, outputs, targets.values[val])

    shown = epoch_batches(
        targets.train,
        targets.train_labels(),
        batch_size=config.optimiser.batch_size,
        negatives_per_case=config.negatives_per_case,
        seed=config.seed,
        drop_last=False,
    )
    return TrainingPlan(name, shown, losses, validate)
