"""A linear model on the embeddings of ``align-traits``, without any further training of the encoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eccl.data.run_records import training_command
from eccl.errors import FeatureError
from eccl.features.files import read_features
from eccl.ledger.tombstones import tombstones_mark
from eccl.models.probe import LinearProbe, fit_probe
from eccl.training.compute_features import prediction_rows, write_tables
from eccl.training.inputs.targets import TRAITS, TaskTargets, read_targets, target_params
from eccl.training.inputs.teacher import order_vectors
from eccl.training.inputs.visits import Visits, cine_visits, recording_visits
from eccl.training.loop.execution import require_no_withdrawal
from eccl.training.loop.tasks import score_task, selection_rule
from eccl.training.loop.trainer import to_json
from eccl.training.runs import Run, RunContext, RunIdentity, count_targets, load_parent, load_weights, save_run
from eccl.training.session import Session
from eccl.training.settings import ProbeConfig
from eccl.training.stages.align import select_pairs

STAGE = "probe"


def run(session: Session) -> Run | None:
    """Fit ridge (traits) or logistic regression (a disease) on the pairs an alignment trains on.

    Raises
    ------
    ConfigError
        The train split has fewer than two pairs with a usable target.
    FeatureError
        The embeddings are absent, incomplete or of another training than their model.
    """
    if not session.runtime.is_first:
        return None
    config, task, data = session.params.preset.probe, session.task or TRAITS, session.workspace.data
    aligned = _load_aligned(session)
    recordings, (cines, _) = recording_visits(data), cine_visits(data)
    targets = read_targets(data, recordings, task, session.params.label_definition, config.instances)
    features = _embeddings(session, aligned, recordings)
    pairs, train, val = select_pairs(session, recordings, cines, targets, config.instances)
    train, val = pairs.ecg[train], pairs.ecg[val]
    identity = identify_run(session)
    before = tombstones_mark(session.workspace)
    rule = selection_rule(task, targets.values[val])
    probe, chosen, history = _choose(features, targets, train, val, rule, config)
    record = {
        "best_epoch": chosen + 1,  # number of the strength
        "metrics": to_json(
            {
                "selection": rule,
                "best": {name: value for name, value in history[chosen].items() if name != "epoch"},
                "epochs_run": len(history),
                "history": history,
            }
        ),
        "runtime": {**session.runtime.record(), "streamed": False, "threads": session.threads},
        "split_counts": {"train": targets.count(train), "val": targets.count(val)},
        "feature_dim": int(features.shape[1]),
        **targets.record(),
    }
    require_no_withdrawal(session, before)
    saved = save_run(session.workspace, identity, probe, session.gate, "cpu", record)
    context = RunContext(probe, config, identity, targets.scaler, session.runtime)
    tables = prediction_rows(context, recordings, probe.predict(features))
    write_tables(session.workspace.features, identity.run, tables)
    return saved


def identify_run(session: Session) -> RunIdentity:
    """Compute the identity of the run, with its parent's record; no array is read."""
    task = session.task or TRAITS
    params = target_params(task, session.params.label_definition)
    return session.identify(STAGE, task, session.params.preset.probe, [_load_aligned(session)], **params)


def _load_aligned(session: Session) -> Run:
    return load_parent(session.workspace, session.names.parent("align"), session.data_version)


def rebuild(finished: Run) -> tuple[LinearProbe, ProbeConfig]:
    """Load the linear layer of a finished run, from its own record and weights alone; its input is the parent's embedding.

    Raises
    ------
    VersionError
        The weights are not those of the record, or do not fit this code.
    """
    name = str(finished.record["run"])
    config = finished.read_params(ProbeConfig, "config")
    network = LinearProbe(int(finished.record["feature_dim"]), count_targets(finished))
    load_weights(network, finished.weights(), name)
    return network, config


def _embeddings(session: Session, aligned: Run, recordings: Visits) -> NDArray[np.float32]:
    """(recordings, d) features of the encoder."""
    name = str(aligned.record["run"])
    table = read_features(session.workspace.features, "ecg_embedding", name, ["eid", "instance", "run_id", "vector"])
    vectors = order_vectors(table, recordings)
    absent = int(np.isnan(vectors).any(axis=1).sum())
    if absent or set(table.column("run_id").unique().to_pylist()) - {aligned.run_id}:
        raise FeatureError(
            f"{absent} of {len(recordings)} recordings have no embedding of {name}, or its embeddings are of another training than its "
            f"model; expected all, of this one. Run `{training_command(name)}` again"
        )
    return vectors


def _choose(
    features: NDArray[np.float32],
    targets: TaskTargets,
    train: NDArray[np.int64],
    val: NDArray[np.int64],
    rule: str,
    config: ProbeConfig,
) -> tuple[LinearProbe, int, list[dict[str, float]]]:
    """The probe of the best strength, its number from 0, and the scores of all; where none is defined, the strongest."""
    is_disease = targets.scaler is None
    shown, known = features[train].astype(np.float64), targets.values[train]
    torch.manual_seed(config.seed)  # of weights that the fit replaces; the method itself draws nothing
    probes = [fit_probe(shown, known, strength, is_disease=is_disease) for strength in config.strengths]
    history = []
    for number, (strength, probe) in enumerate(zip(config.strengths, probes, strict=True), start=1):
        scores = score_task(targets.task, rule, probe.predict(features[val]), targets.values[val])
        history.append(
            {"epoch": number, "strength": strength, **{f"val_{name}": value for name, value in scores.items()}}
        )
    order = sorted(range(len(probes)), key=lambda number: -config.strengths[number])
    score = [history[number]["val_score"] for number in range(len(probes))]
    chosen = max(order, key=lambda number: -np.inf if np.isnan(score[number]) else score[number])
    return probes[chosen], chosen, history
