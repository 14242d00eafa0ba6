"""Stage 2, ECCL: the ECG encoder learns its task and the frozen CMR encoder's view of the same visit.

Without a contrastive term there is no teacher, and the stage neither loads nor needs the CMR encoder; one that starts from
nothing needs no pre-trained encoder. The pairs are the same in any case.
"""

from __future__ import annotations

import numpy as np

from eccl.errors import ConfigError
from eccl.modalities import ECG
from eccl.models.ecg_vit import POOLING_WEIGHTS, EcgEncoder
from eccl.models.projection import Aligned
from eccl.models.specs import EcgEncoderSpec
from eccl.training.inputs.sampling import Positions
from eccl.training.inputs.sources import GuardedSource, open_source
from eccl.training.inputs.targets import TRAITS, TaskTargets, read_targets
from eccl.training.inputs.teacher import open_teacher
from eccl.training.inputs.visits import Visits, cine_visits, paired_visits, recording_visits
from eccl.training.loop.alignment import Alignment, Pairs
from eccl.training.loop.execution import carry_out
from eccl.training.loop.scoring import selection_rule
from eccl.training.outputs.compute_features import count_targets, describe_recordings, project_cines
from eccl.training.outputs.rows import write_tables
from eccl.training.runs import Run, identify, load_parent, load_weights, select_prefix
from eccl.training.session import Session
from eccl.training.settings.config import AlignConfig, label_problems

STAGE = "align"
_ENCODER_PREFIX = {"pretrain_ecg": "encoder.", "pretrain_cmae": "ecg_encoder."}


def run(session: Session) -> Run | None:
    """Train the ECG encoder of one task, then write what it says of every recording and where every cine lies.

    Raises
    ------
    ConfigError
        The train split has no pair with a usable target, or the contrastive loss asks for labels the task has not.
    FeatureError
        The teacher's features are absent, incomplete or of another run.
    """
    config, task, data = session.params.preset.align, session.task or TRAITS, session.workspace.data
    _check_loss(config, task)
    start, cmr = load_parents(session, config, task)
    recordings = recording_visits(data)
    targets = read_targets(data, recordings, task, session.params.label_definition, config.instances)
    teacher = None if cmr is None else open_teacher(session, cmr, config.teacher)
    cines = cine_visits(data)[0] if teacher is None else teacher.visits
    pairs, train, val = select_pairs(session, recordings, cines, targets, config.instances)
    spec = session.params.preset.pretrain_ecg.encoder if start is None else encoder_spec(start)
    params = {"config": config.model_dump(), "encoder": spec.model_dump(), **targets.params()}
    parents = [parent for parent in (start, cmr) if parent is not None]
    identity = identify(STAGE, task, session.params.name, params, session.data_version, parents, session.naming)
    session.runtime.seed(config.seed)
    teacher_dim = None if teacher is None else teacher.feature_dim
    module = build(spec, config, teacher_dim, targets.width)
    if start is not None:
        start_encoder(module, start)
    module.to(session.device)
    ecg = open_source(data, ECG.model_array, recordings.row, session.runtime)
    rule = selection_rule(task, targets.values[pairs.ecg[val]])
    record = {
        "selection": rule,
        "split_counts": {"train": targets.count(pairs.ecg[train]), "val": targets.count(pairs.ecg[val])},
        "teacher_dim": teacher_dim,
        **targets.record(),
    }
    guarded = GuardedSource(ecg, recordings.split)
    plan = Alignment(module, guarded, teacher, pairs, targets, config, val, rule, session.runtime).plan(
        identity.run, train
    )

    def describe(saved: Run) -> None:
        tables = describe_recordings(module, recordings, ecg, config, identity, targets.scaler, session.runtime)
        if teacher is not None:
            tables |= project_cines(module, teacher.visits, teacher.describe, config, identity)
        write_tables(session.workspace.features, identity.run, tables)

    return carry_out(session, identity, plan, config.optimiser, config.seed, ecg, record, describe)


def load_parents(session: Session, config: AlignConfig, task: str) -> tuple[Run | None, Run | None]:
    """The run whose encoder is started from, and the CMR encoder to align with; None for what is not used."""
    start = cmr = None
    if config.init_from != "nothing":
        start = load_parent(session.workspace, session.naming.run(config.init_from, None), session.data_version)
    if config.contrastive_weight > 0:
        cmr = load_parent(session.workspace, session.naming.run("pretrain_cmr", task), session.data_version)
    return start, cmr


def encoder_spec(start: Run) -> EcgEncoderSpec:
    """Shape of the ECG encoder: that of the pre-trained one it starts from."""
    path = ("ecg_encoder",) if start.record["stage"] == "pretrain_cmae" else ("config", "encoder")
    return start.read_params(EcgEncoderSpec, *path)


def start_encoder(module: Aligned, start: Run) -> None:
    """Give the encoder a pre-trained one's weights.

    The weights of attention pooling, which no pre-training has, stay as they were drawn; everything else has to fit.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit.
    """
    known = select_prefix(start.weights(), _ENCODER_PREFIX[start.record["stage"]])
    own = module.encoder.state_dict()
    new = {name: one for name, one in own.items() if name.startswith(POOLING_WEIGHTS)}
    load_weights(module.encoder, {**known, **new}, str(start.record["run"]))


def build(spec: EcgEncoderSpec, config: AlignConfig, teacher_dim: int | None, targets: int) -> Aligned:
    """The stage's network, with random weights; without a teacher it has no projections."""
    encoder = EcgEncoder(spec.model_copy(update={"dropout": config.dropout}), config.pooling)
    return Aligned(encoder, teacher_dim, targets, config.alignment)


def rebuild(finished: Run) -> tuple[Aligned, AlignConfig]:
    """The network of a finished run and how it reads recordings, from the run's own record and weights alone.

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
    """Pairs of all splits, and which of them train and which validate.

    Raises
    ------
    ConfigError
        The train split has fewer than two.
    """
    pairs = Pairs(*paired_visits(session.workspace.data, recordings, cines))
    is_used = np.isin(recordings.instance[pairs.ecg], instances)
    split = recordings.split[pairs.ecg]
    # Without a decided label a visit cannot be dealt into a group; without traits it still has a cine to align with.
    is_known = ~np.isnan(targets.values[pairs.ecg]).all(axis=1) | (targets.scaler is not None)
    train, val = np.flatnonzero((split == "train") & is_used & is_known), np.flatnonzero((split == "val") & is_used)
    if len(train) < 2:
        raise ConfigError(
            f"the train split has {len(train)} pairs for {targets.task}; expected at least 2; ingest more"
        )
    return pairs, train, val


def _check_loss(config: AlignConfig, task: str) -> None:
    problems = label_problems(config, [task])
    if problems:
        raise ConfigError("; ".join(problems))
