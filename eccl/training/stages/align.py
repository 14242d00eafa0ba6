"""Stage 2, ECCL: the ECG encoder learns its task and the frozen CMR encoder's view of the same visit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.errors import ConfigError
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.losses import info_nce
from eccl.models.projection import Aligned
from eccl.models.specs import EcgEncoderSpec
from eccl.training.augment import augment_ecg, scale_ecg
from eccl.training.config import AlignConfig
from eccl.training.describe import count_targets, describe_recordings, project_cines
from eccl.training.execution import carry_out
from eccl.training.filling import from_mapping
from eccl.training.runs import Run, identify, load_parent, load_weights, select_prefix
from eccl.training.runtime import Runtime
from eccl.training.sampling import Positions, chunks, epoch_batches
from eccl.training.scoring import score_task, selection_rule
from eccl.training.session import Session
from eccl.training.sources import GuardedSource, Source, open_source
from eccl.training.targets import TRAITS, TaskTargets, read_targets
from eccl.training.tasks import AlignTask
from eccl.training.teacher import Teacher, open_teacher
from eccl.training.trainer import TrainingPlan
from eccl.training.views import write_tables
from eccl.training.visits import Visits, paired_visits, recording_visits

STAGE = "align"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions of paired visits among recordings (`ecg`) and cines (`cmr`)."""

    ecg: NDArray[np.int64]
    cmr: NDArray[np.int64]


def run(session: Session) -> Run | None:
    """Train the ECG encoder of one task, then write what it says of every recording and where every cine lies.

    Raises
    ------
    ConfigError
        The train split has no pair with a usable target.
    FeatureError
        The teacher's features are absent, incomplete or of another run.
    """
    config, task, data = session.params.preset.align, session.task or TRAITS, session.workspace.data
    mae = load_parent(session.workspace, session.naming.run("pretrain_ecg", None), session.data_version)
    cmr = load_parent(session.workspace, session.naming.run("pretrain_cmr", task), session.data_version)
    recordings = recording_visits(data)
    targets = read_targets(data, recordings, task, session.params.label_definition, config.instances)
    teacher = open_teacher(session, cmr, config.teacher)
    pairs, train, val = _select_pairs(session, recordings, teacher.visits, targets, config)
    spec = encoder_spec(mae)
    params = {"config": dataclasses.asdict(config), "encoder": dataclasses.asdict(spec), **targets.params()}
    parents = [mae, cmr] if config.start_from_mae else [cmr]
    identity = identify(STAGE, task, session.params.name, params, session.data_version, parents, session.naming)
    session.runtime.seed(config.seed)
    module = build(spec, config, teacher.feature_dim, targets.width)
    if config.start_from_mae:
        load_weights(module.encoder, select_prefix(mae.weights(), "encoder."), str(mae.record["run"]))
    module.to(session.device)
    ecg = open_source(data, "ecg.zarr/clean", recordings.row, session.runtime)
    rule = selection_rule(task, targets.values[pairs.ecg[val]])
    record = {
        "selection": rule,
        "split_counts": {"train": targets.count(pairs.ecg[train]), "val": targets.count(pairs.ecg[val])},
        "teacher_dim": teacher.feature_dim,
        **targets.record(),
    }
    guarded = GuardedSource(ecg, recordings.split)
    alignment = _Alignment(module, guarded, teacher, pairs, targets, config, val, rule, session.runtime)
    plan = alignment.plan(identity.run, train)

    def describe(saved: Run) -> None:
        tables = describe_recordings(module, recordings, ecg, config, identity, targets.scaler, session.runtime)
        tables |= project_cines(module, teacher.visits, teacher.describe, config, identity)
        write_tables(session.workspace.features, identity.run, tables)

    return carry_out(session, identity, plan, config.optimiser, config.seed, ecg, record, describe)


def encoder_spec(mae: Run) -> EcgEncoderSpec:
    """Shape of the ECG encoder: that of the autoencoder it starts from, or is compared with."""
    return from_mapping(EcgEncoderSpec, mae.params["config"]["encoder"], "encoder in models/pretrain_ecg/run.json")


def build(spec: EcgEncoderSpec, config: AlignConfig, teacher_dim: int, targets: int) -> Aligned:
    """The stage's network, with random weights."""
    encoder = EcgEncoder(dataclasses.replace(spec, dropout=config.dropout))
    return Aligned(encoder, teacher_dim, targets, config.alignment)


def rebuild(finished: Run) -> tuple[Aligned, AlignConfig]:
    """The network of a finished run and how it reads recordings, from the run's own record and weights alone.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit this code.
    """
    name = str(finished.record["run"])
    config = from_mapping(AlignConfig, finished.params["config"], f"config in models/{name}/run.json")
    spec = from_mapping(EcgEncoderSpec, finished.params["encoder"], f"encoder in models/{name}/run.json")
    network = build(spec, config, int(finished.record["teacher_dim"]), count_targets(finished))
    load_weights(network, finished.weights(), name)
    return network, config


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
    """Inputs and validation of the stage."""

    module: Aligned
    ecg: Source
    teacher: Teacher
    pairs: Pairs
    targets: TaskTargets
    config: AlignConfig
    val: Positions
    rule: str
    runtime: Runtime

    def plan(self, name: str, train: Positions) -> TrainingPlan:
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

        def announce(batches: Sequence[Positions]) -> None:
            self.ecg.expect([self.pairs.ecg[batch] for batch in batches])
            self.teacher.expect([self.pairs.cmr[batch] for batch in batches])

        return TrainingPlan(name, self.module, task, shown, self.inputs, self.validate, announce)

    def inputs(self, batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        config, positions = self.config, self.pairs.ecg[batch]
        has_flips = config.augment.flip_for_diseases or self.targets.scaler is not None
        changed = augment_ecg(self.ecg.batch(positions), config.augment, generator, flips=has_flips)
        target = torch.from_numpy(self.targets.values[positions]).float().to(self.ecg.device)
        teacher = self.teacher.draw(self.pairs.cmr[batch], generator)
        return scale_ecg(changed, config.augment.scaling), teacher, target

    def validate(self) -> dict[str, float]:
        config, val = self.config, self.val
        outputs = torch.zeros(len(val), self.targets.width, dtype=torch.float64)
        contrastive = torch.zeros(1, dtype=torch.float64)
        todo = self.runtime.share_list(chunks(len(val), config.optimiser.batch_size))
        self.ecg.expect([self.pairs.ecg[val[batch]] for batch in todo])
        self.teacher.expect([self.pairs.cmr[val[batch]] for batch in todo])
        for batch in todo:
            with self.runtime.autocast():
                scaled = scale_ecg(self.ecg.batch(self.pairs.ecg[val[batch]]), config.augment.scaling)
                _, z_ecg, values = self.module(scaled)
                z_cmr = self.module.project_cmr(self.teacher.look(self.pairs.cmr[val[batch]]))
            outputs[torch.from_numpy(batch)] = values.double().cpu()
            loss = info_nce(z_ecg, z_cmr, self.module.temperature(), config.alignment.alpha)
            contrastive += float(loss) * len(batch) / max(len(val), 1)
        found = self.runtime.total(outputs).cpu().numpy()
        scores = score_task(self.targets.task, self.rule, found, self.targets.values[self.pairs.ecg[val]])
        return {"contrastive": float(self.runtime.total(contrastive)), **scores}
