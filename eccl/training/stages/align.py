"""Stage 2, ECCL: the ECG encoder learns its task and the frozen CMR encoder's view of the same visit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.errors import ConfigError, FeatureError
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.losses import info_nce
from eccl.models.projection import Aligned
from eccl.models.specs import EcgEncoderSpec
from eccl.store.features import read_features
from eccl.training.augment import augment_ecg, scale_ecg
from eccl.training.config import AlignConfig, from_mapping
from eccl.training.datasets import ResidentArray, Visits, cine_visits, paired_visits, recording_visits
from eccl.training.runs import (
    Run,
    RunIdentity,
    identify,
    load_parent,
    load_weights,
    run_name,
    save_run,
    select_prefix,
)
from eccl.training.sampling import Positions, chunks, epoch_batches
from eccl.training.scoring import score_task, selection_rule, task_loss
from eccl.training.session import Session
from eccl.training.targets import TRAITS, TaskTargets, read_targets
from eccl.training.trainer import TrainingPlan, fit, precision, seed_everything
from eccl.training.views import disease_rows, store_rows, trait_rows, vector_rows, vectors_of

STAGE = "align"


@dataclass(frozen=True, slots=True)
class Teacher:
    """Features of the frozen CMR encoder, from the store.

    Parameters
    ----------
    visits
        Visits with a cine.
    clean
        (cines, d) float32 on the device.
    augmented
        (K, cines, d) float32 on the device; K may be 0.
    """

    visits: Visits
    clean: Tensor
    augmented: Tensor

    def draw(self, positions: Positions, generator: torch.Generator) -> Tensor:
        """One random augmented view of each cine: (batch, d); the clean one where there are none."""
        index = torch.from_numpy(positions).to(self.clean.device)
        if not len(self.augmented):
            return self.clean[index]
        view = torch.randint(len(self.augmented), (len(positions),), generator=generator).to(index.device)
        return self.augmented[view, index]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions of paired visits among recordings (`ecg`) and cines (`cmr`)."""

    ecg: NDArray[np.int64]
    cmr: NDArray[np.int64]


def run(session: Session) -> Run:
    """Train the ECG encoder of one task, then write what it says of every recording and where every cine lies.

    Raises
    ------
    ConfigError
        The train split has no pair with a usable target.
    FeatureError
        The teacher's features are absent, incomplete or of another run.
    """
    config, task, data = session.params.preset.align, session.task or TRAITS, session.workspace.data
    mae = load_parent(session.workspace, "pretrain_ecg", session.data_version)
    cmr = load_parent(session.workspace, run_name("pretrain_cmr", task), session.data_version)
    recordings = recording_visits(data)
    targets = read_targets(data, recordings, task, session.params.label_definition, config.instances)
    teacher = load_teacher(session, cmr)
    pairs, train, val = _select_pairs(session, recordings, teacher.visits, targets, config)
    spec = encoder_spec(mae)
    params = {"config": dataclasses.asdict(config), "encoder": dataclasses.asdict(spec), **targets.params()}
    parents = [mae, cmr] if config.start_from_mae else [cmr]
    identity = identify(STAGE, task, session.params.name, params, session.data_version, parents)
    seed_everything(config.seed, session.device)
    module = build(spec, config, teacher.clean.shape[1], targets.width)
    if config.start_from_mae:
        load_weights(module.encoder, select_prefix(mae.weights(), "encoder."), "pretrain_ecg")
    module.to(session.device)
    ecg = ResidentArray(data, "ecg.zarr/clean", recordings.row, session.device)
    rule = selection_rule(task, targets.values[pairs.ecg[val]])
    plan = _Alignment(module, ecg, teacher, pairs, targets, config, val, rule).plan(identity.run, train)
    result = fit(module, plan, config.optimiser, session.device, config.seed)
    counts = {"train": targets.count(pairs.ecg[train]), "val": targets.count(pairs.ecg[val])}
    saved = save_run(
        session.workspace,
        identity,
        module,
        session.gate,
        session.device_name,
        {
            "best_epoch": result.best_epoch,
            "metrics": {"selection": rule, **result.metrics},
            "split_counts": counts,
            "teacher_dim": int(teacher.clean.shape[1]),
            **targets.record(),
        },
    )
    write_ecg_views(session, identity, module, recordings, ecg, targets, config, append=False)
    write_cmr_view(session, identity, module, teacher.visits, teacher.clean, append=False)
    return saved


def encoder_spec(mae: Run) -> EcgEncoderSpec:
    """Shape of the ECG encoder: that of the autoencoder it starts from, or is compared with."""
    return from_mapping(EcgEncoderSpec, mae.params["config"]["encoder"], "encoder in models/pretrain_ecg/run.json")


def build(spec: EcgEncoderSpec, config: AlignConfig, teacher_dim: int, targets: int) -> Aligned:
    """The stage's network, with random weights."""
    encoder = EcgEncoder(dataclasses.replace(spec, dropout=config.dropout))
    return Aligned(encoder, teacher_dim, targets, config.alignment)


def load_teacher(session: Session, cmr: Run) -> Teacher:
    """Read the frozen encoder's features of every cine.

    Raises
    ------
    FeatureError
        They are of another run than the model, or leave cines out.
    """
    visits, _ = cine_visits(session.workspace.data)
    folder, run_id, device = session.workspace.features, cmr.run_id, session.device
    columns = ["eid", "instance", "run_id", "vector"]
    run_of_teacher = str(cmr.record["run"])
    clean = _vectors(read_features(folder, "cmr_embedding", run_of_teacher, columns), visits, run_id)
    cached = read_features(folder, "cmr_teacher", run_of_teacher, [*columns, "augmentation"])
    number = cached.column("augmentation").to_numpy()
    augmented = [_vectors(cached.filter(number == view), visits, run_id) for view in np.unique(number)]
    stacked = np.stack(augmented) if augmented else np.empty((0, *clean.shape), dtype=np.float32)
    return Teacher(visits, torch.from_numpy(clean).to(device), torch.from_numpy(stacked).to(device))


def write_ecg_views(
    session: Session,
    identity: RunIdentity,
    module: Aligned,
    recordings: Visits,
    ecg: ResidentArray,
    targets: TaskTargets,
    config: AlignConfig,
    *,
    append: bool,
) -> int:
    """Write embeddings, projections and predictions of all given recordings; return the number of rows."""
    parts: list[list[NDArray[Any]]] = []
    module.eval()
    with torch.no_grad():
        for batch in chunks(len(recordings), config.optimiser.batch_size):
            values = module(scale_ecg(ecg.batch(batch), config.augment.scaling))
            parts.append([one.float().cpu().numpy() for one in values])
    features, z_ecg, outputs = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if targets.scaler is not None:
        view, rows = "trait_prediction", trait_rows(recordings, identity, outputs, targets.scaler)
    else:
        view, rows = "disease_prediction", disease_rows(recordings, identity, outputs, targets.task)
    tables = {
        "ecg_embedding": vector_rows(recordings, identity, features),
        "ecg_projection": vector_rows(recordings, identity, z_ecg),
        view: rows,
    }
    folder = session.workspace.features
    return sum(store_rows(folder, name, identity.run, table, append=append) for name, table in tables.items())


def write_cmr_view(
    session: Session, identity: RunIdentity, module: Aligned, cines: Visits, clean: Tensor, *, append: bool
) -> int:
    """Write where every cine lies in the shared space; return the number of rows."""
    module.eval()
    with torch.no_grad():
        z_cmr = module.project_cmr(clean).cpu().numpy()
    rows = vector_rows(cines, identity, z_cmr)
    return store_rows(session.workspace.features, "cmr_projection", identity.run, rows, append=append)


def _vectors(table: Any, visits: Visits, run_id: str) -> NDArray[np.float32]:
    if set(table.column("run_id").unique().to_pylist()) - {run_id}:
        raise FeatureError(
            "the teacher's features are of another run than its model; run `eccl train pretrain_cmr` again"
        )
    vectors = vectors_of(table)
    position = visits.find(table.column("eid").to_numpy(), table.column("instance").to_numpy())
    is_here = position >= 0
    ordered = np.full((len(visits), vectors.shape[1]), np.nan, dtype=np.float32)
    ordered[position[is_here]] = vectors[is_here]
    absent = int(np.isnan(ordered).any(axis=1).sum())
    if absent:
        raise FeatureError(
            f"{absent} of {len(visits)} cines have no teacher features; train the CMR encoder on this data first: `eccl train pretrain_cmr`"
        )
    return ordered


def _select_pairs(
    session: Session, recordings: Visits, cines: Visits, targets: TaskTargets, config: AlignConfig
) -> tuple[Pairs, Positions, Positions]:
    """Pairs of all splits, and which of them train and which validate."""
    pairs = Pairs(*paired_visits(session.workspace.data, recordings, cines))
    is_used = np.isin(recordings.instance[pairs.ecg], config.instances)
    split = recordings.split[pairs.ecg]
    # Without a decided label a visit cannot be dealt into a group; without traits it still has a cine to align with.
    is_known = ~np.isnan(targets.values[pairs.ecg]).all(axis=1) | (targets.scaler is not None)
    train, val = np.flatnonzero((split == "train") & is_used & is_known), np.flatnonzero((split == "val") & is_used)
    if len(train) < 2:
        raise ConfigError(
            f"the train split has {len(train)} pairs for {targets.task}; expected at least 2; ingest more"
        )
    return pairs, train, val


@dataclass(frozen=True, slots=True)
class _Alignment:
    """Losses and validation of the stage."""

    module: Aligned
    ecg: ResidentArray
    teacher: Teacher
    pairs: Pairs
    targets: TaskTargets
    config: AlignConfig
    val: Positions
    rule: str

    def plan(self, name: str, train: Positions) -> TrainingPlan:
        labels = None if self.targets.scaler is not None else self.targets.values[self.pairs.ecg[train], 0]
        shown = epoch_batches(
            train,
            labels,
            batch_size=self.config.optimiser.batch_size,
            negatives_per_case=self.config.negatives_per_case,
            seed=self.config.seed,
            drop_last=True,
        )
        return TrainingPlan(name, shown, self.losses, self.validate)

    def losses(self, batch: Positions, generator: torch.Generator) -> Mapping[str, Tensor]:
        config, positions = self.config, self.pairs.ecg[batch]
        has_flips = config.augment.flip_for_diseases or self.targets.scaler is not None
        changed = augment_ecg(self.ecg.batch(positions), config.augment, generator, flips=has_flips)
        _, z_ecg, outputs = self.module(scale_ecg(changed, config.augment.scaling))
        z_cmr = self.module.project_cmr(self.teacher.draw(self.pairs.cmr[batch], generator))
        target = torch.from_numpy(self.targets.values[positions]).float().to(outputs.device)
        contrastive = info_nce(z_ecg, z_cmr, self.module.temperature(), config.alignment.alpha)
        task = task_loss(self.targets.task, outputs, target)
        total = config.contrastive_weight * contrastive + config.task_weight * task
        return {"loss": total, "contrastive": contrastive, "task": task}

    def validate(self) -> dict[str, float]:
        config, val = self.config, self.val
        outputs, contrastive = np.empty((len(val), self.targets.width)), 0.0
        for batch in chunks(len(val), config.optimiser.batch_size):
            with precision(self.ecg.device):
                scaled = scale_ecg(self.ecg.batch(self.pairs.ecg[val[batch]]), config.augment.scaling)
                _, z_ecg, values = self.module(scaled)
                index = torch.from_numpy(self.pairs.cmr[val[batch]]).to(z_ecg.device)
                z_cmr = self.module.project_cmr(self.teacher.clean[index])
            outputs[batch] = values.double().cpu().numpy()
            loss = info_nce(z_ecg, z_cmr, self.module.temperature(), config.alignment.alpha)
            contrastive += float(loss) * len(batch) / max(len(val), 1)
        scores = score_task(self.targets.task, self.rule, outputs, self.targets.values[self.pairs.ecg[val]])
        return {"contrastive": contrastive, **scores}
