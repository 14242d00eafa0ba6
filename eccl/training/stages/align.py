"""Stage 2, ECCL: the ECG encoder learns its task and the frozen CMR encoder's features of the same visit.

Without a contrastive term there is no teacher, and the stage neither loads nor needs the CMR encoder; with ``init_from:
nothing`` it needs no pre-trained encoder. The pairs are the same in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.errors import ConfigError
from eccl.modalities import ECG
from eccl.models.ecg_vit import POOLING_WEIGHTS, EcgEncoder
from eccl.models.losses import contrast
from eccl.models.projection import Aligned
from eccl.models.specs import EcgEncoderSpec
from eccl.training.compute_features import cine_projections, recording_features, write_tables
from eccl.training.inputs.augment import augment_ecg, scale_ecg
from eccl.training.inputs.sampling import Positions, chunks, epoch_batches
from eccl.training.inputs.sources import GuardedSource, Source, open_source
from eccl.training.inputs.targets import TRAITS, TaskTargets, read_targets, target_params
from eccl.training.inputs.teacher import Teacher, open_teacher
from eccl.training.inputs.visits import Visits, cine_visits, paired_visits, recording_visits
from eccl.training.loop.execution import train_run
from eccl.training.loop.tasks import AlignTask, score_task, selection_rule
from eccl.training.loop.trainer import TrainingPlan
from eccl.training.runs import Run, RunContext, RunIdentity, count_targets, load_parent, load_weights, select_prefix
from eccl.training.session import Session
from eccl.training.settings import AlignConfig, label_problems

STAGE = "align"
_ENCODER_PREFIX = {"pretrain_ecg": "encoder.", "pretrain_cmae": "ecg_encoder."}


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions of paired visits among recordings (`ecg`) and cines (`cmr`)."""

    ecg: NDArray[np.int64]
    cmr: NDArray[np.int64]


def run(session: Session) -> Run | None:
    """Train the ECG encoder of one task, then write its features of every recording and the projection of every cine.

    Raises
    ------
    ConfigError
        The train split has no pair with a usable target, or the contrastive loss needs labels that the task does not have.
    FeatureError
        The teacher's features are absent, incomplete or of another run.
    """
    config, task, data = session.params.preset.align, session.task or TRAITS, session.workspace.data
    problems = label_problems(config, [task])
    if problems:
        raise ConfigError("; ".join(problems))
    initial, cmr = load_parents(session, config)
    recordings = recording_visits(data)
    targets = read_targets(data, recordings, task, session.params.label_definition, config.instances)
    teacher = None if cmr is None else open_teacher(session, cmr, config.teacher)
    cines = cine_visits(data)[0] if teacher is None else teacher.visits
    pairs, train, val = select_pairs(session, recordings, cines, targets, config.instances)

    spec = _choose_spec(session, initial)
    identity = identify_run(session)
    teacher_dim = None if teacher is None else teacher.feature_dim
    network = build(spec, config, teacher_dim, targets.width)
    if initial is not None:
        load_encoder(network, initial)
    context = RunContext(network.to(session.device), config, identity, targets.scaler, session.runtime)

    ecg = open_source(data, ECG.model_array, recordings.row, session.runtime)
    rule = selection_rule(task, targets.values[pairs.ecg[val]])
    record = {
        "selection": rule,
        "split_counts": {"train": targets.count(pairs.ecg[train]), "val": targets.count(pairs.ecg[val])},
        "teacher_dim": teacher_dim,
        **targets.record(),
    }
    plan = _Alignment(context, GuardedSource(ecg, recordings.split), teacher, pairs, targets, val, rule).plan(train)

    def write_features(saved: Run) -> None:
        tables = recording_features(context, recordings, ecg)
        if teacher is not None:
            tables |= cine_projections(context, teacher.visits, teacher.features_of_any_split)
        write_tables(session.workspace.features, identity.run, tables)

    return train_run(session, context, plan, record, write_features)


def identify_run(session: Session) -> RunIdentity:
    """Compute the identity of the run, with its parents' records; no array is read."""
    config, task = session.params.preset.align, session.task or TRAITS
    initial, cmr = load_parents(session, config)
    parents = [parent for parent in (initial, cmr) if parent is not None]
    params = target_params(task, session.params.label_definition)
    encoder = _choose_spec(session, initial).model_dump()
    return session.identify(STAGE, task, config, parents, encoder=encoder, **params)


def _choose_spec(session: Session, initial: Run | None) -> EcgEncoderSpec:
    return session.params.preset.pretrain_ecg.encoder if initial is None else encoder_spec(initial)


def load_parents(session: Session, config: AlignConfig) -> tuple[Run | None, Run | None]:
    """Load the run whose encoder weights are used, and the CMR encoder to align with; None for what is not used."""
    initial = cmr = None
    if config.init_from != "nothing":
        initial = load_parent(session.workspace, session.names.parent(config.init_from), session.data_version)
    if config.contrastive_weight > 0:
        cmr = load_parent(session.workspace, session.names.parent("pretrain_cmr"), session.data_version)
    return initial, cmr


def encoder_spec(initial: Run) -> EcgEncoderSpec:
    """Shape of a pre-trained ECG encoder."""
    path = ("ecg_encoder",) if initial.record["stage"] == "pretrain_cmae" else ("config", "encoder")
    return initial.read_params(EcgEncoderSpec, *path)


def load_encoder(network: Aligned, initial: Run) -> None:
    """Load a pre-trained encoder's weights.

    The weights of attention pooling, which no pre-training has, keep their random values; all others have to fit.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit.
    """
    pretrained = select_prefix(initial.weights(), _ENCODER_PREFIX[initial.record["stage"]])
    own = network.encoder.state_dict()
    new = {name: one for name, one in own.items() if name.startswith(POOLING_WEIGHTS)}
    load_weights(network.encoder, {**pretrained, **new}, str(initial.record["run"]))


def build(spec: EcgEncoderSpec, config: AlignConfig, teacher_dim: int | None, targets: int) -> Aligned:
    """Build the stage's network with random weights; without a teacher it has no projections."""
    encoder = EcgEncoder(spec.model_copy(update={"dropout": config.dropout}), config.pooling)
    return Aligned(encoder, teacher_dim, targets, config.alignment)


def rebuild(finished: Run) -> tuple[Aligned, AlignConfig]:
    """Load the network of a finished run and its configuration, from the run's own record and weights alone.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit this code.
    """
    name = str(finished.record["run"])
    config, spec = finished.read_params(AlignConfig, "config"), finished.read_params(EcgEncoderSpec, "encoder")
    network = build(spec, config, finished.record["teacher_dim"], count_targets(finished))
    load_weights(network, finished.weights(), name)
    return network, config


def select_pairs(
    session: Session, recordings: Visits, cines: Visits, targets: TaskTargets, instances: tuple[int, ...]
) -> tuple[Pairs, Positions, Positions]:
    """Pairs of all splits, and the positions of those that train and those that validate.

    Raises
    ------
    ConfigError
        The train split has fewer than two.
    """
    pairs = Pairs(*paired_visits(session.workspace.data, recordings, cines))
    is_used = np.isin(recordings.instance[pairs.ecg], instances)
    split = recordings.split[pairs.ecg]
    # Without a decided label a visit is in no group of the epoch; without traits it still has a cine to align with.
    is_known = ~np.isnan(targets.values[pairs.ecg]).all(axis=1) | (targets.scaler is not None)
    train, val = np.flatnonzero((split == "train") & is_used & is_known), np.flatnonzero((split == "val") & is_used)
    if len(train) < 2:
        raise ConfigError(
            f"the train split has {len(train)} pairs for {targets.task}; expected at least 2; ingest more"
        )
    return pairs, train, val


@dataclass(frozen=True, slots=True)
class _Alignment:
    """Inputs and validation of the stage; `val` are positions among `pairs`, `teacher` is None without a contrastive term."""

    context: RunContext[Aligned, AlignConfig]
    ecg: Source
    teacher: Teacher | None
    pairs: Pairs
    targets: TaskTargets
    val: Positions
    rule: str

    def plan(self, train: Positions) -> TrainingPlan:
        """Plan of a run that trains on some of the pairs."""
        context, config = self.context, self.context.config
        labels = None if self.targets.scaler is not None else self.targets.values[self.pairs.ecg[train], 0]
        shown = epoch_batches(
            train,
            labels,
            batch_size=config.optimiser.batch_size,
            negatives_per_case=config.negatives_per_case,
            seed=config.seed,
            drop_last=True,
            block=None if self.ecg.block is None else self.ecg.block[self.pairs.ecg],
        )
        task = AlignTask(context.network, self.targets.task, config, context.runtime.gather)
        name, streamed = context.identity.run, self.ecg.block is not None
        return TrainingPlan(name, context.network, task, shown, self.inputs, self.validate, self.announce, streamed)

    def announce(self, batches: Sequence[Positions]) -> None:
        """Start to read the arrays ahead."""
        self.ecg.expect([self.pairs.ecg[batch] for batch in batches])
        if self.teacher is not None:
            self.teacher.expect([self.pairs.cmr[batch] for batch in batches])

    def inputs(self, batch: Positions, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Recordings, targets and, with a teacher, its features."""
        config, positions = self.context.config, self.pairs.ecg[batch]
        has_flips = config.augment.flip_for_diseases or self.targets.task == TRAITS
        changed = augment_ecg(self.ecg.batch(positions), config.augment, generator, flips=has_flips)
        target = torch.from_numpy(self.targets.values[positions]).float().to(self.ecg.device)
        shown = scale_ecg(changed, config.augment.scaling), target
        return shown if self.teacher is None else (*shown, self.teacher.sample(self.pairs.cmr[batch], generator))

    def validate(self) -> dict[str, float]:
        """Scores of the validation split and, with a teacher, its contrastive loss by batches, weighted by their size."""
        config, runtime, val = self.context.config, self.context.runtime, self.val
        outputs = torch.zeros(len(val), self.targets.width, dtype=torch.float64)
        contrastive = torch.zeros(1, dtype=torch.float64)
        batches = runtime.share_list(chunks(len(val), config.optimiser.batch_size))
        self.announce([val[batch] for batch in batches])
        for batch in batches:
            with runtime.autocast():
                scaled = scale_ecg(self.ecg.batch(self.pairs.ecg[val[batch]]), config.augment.scaling)
                _, z_ecg, values = self.context.network(scaled)
            outputs[torch.from_numpy(batch)] = values.double().cpu()
            contrastive += self._contrast(val[batch], z_ecg) * len(batch) / max(len(val), 1)
        found = runtime.total(outputs).cpu().numpy()
        scores = score_task(self.targets.task, self.rule, found, self.targets.values[self.pairs.ecg[val]])
        return scores if self.teacher is None else {"contrastive": float(runtime.total(contrastive)), **scores}

    def _contrast(self, positions: Positions, z_ecg: Tensor) -> float:
        if self.teacher is None:
            return 0.0
        network = self.context.network
        with self.context.runtime.autocast():
            z_cmr = network.project_cmr(self.teacher.features(self.pairs.cmr[positions]))
        label = torch.from_numpy(self.targets.values[self.pairs.ecg[positions], 0]).to(z_ecg.device)
        return float(contrast(self.context.config.alignment, z_ecg, z_cmr, network.temperature(), label))
