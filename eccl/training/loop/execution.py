"""Train one run with a checkpoint and curves, save it, and write its features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eccl import __version__
from eccl.errors import WithdrawalError
from eccl.features.materialized import remove_other_weights
from eccl.ledger.tombstones import require_no_pending_withdrawal, tombstones_mark
from eccl.training.loop.curves import Curves
from eccl.training.loop.resume import Checkpoint
from eccl.training.loop.trainer import TrainingPlan, fit
from eccl.training.runs import Run, RunContext, save_run
from eccl.training.session import Session


def require_no_withdrawal(session: Session, before: str) -> None:
    """Refuse to save a model of withdrawn participants: no tombstone would mark it as trained on their data.

    Raises
    ------
    WithdrawalError
        Participants withdrew since the mark `before`.
    """
    require_no_pending_withdrawal(session.workspace)
    if tombstones_mark(session.workspace) != before:
        raise WithdrawalError(
            "participants withdrew while this stage was trained, so its model and features are not written; start the stage again"
        )


def train_run(
    session: Session,
    context: RunContext[Any, Any],
    plan: TrainingPlan,
    record: Mapping[str, Any],
    write_features: Callable[[Run], object] = lambda run: None,
) -> Run | None:
    """Train a plan, save the network and write its features.

    The checkpoint is removed last: a kill while features are written costs the features, not the training.

    Parameters
    ----------
    record
        Entries of run.json beside the common ones: ``selection``, ``split_counts`` and the stage's own.
    write_features
        Writes the stage's feature views, given the saved run.

    Returns
    -------
    Run or None
        None in a process that only helped to train.
    """
    runtime, identity, config = session.runtime, context.identity, context.config
    arithmetic = {**runtime.record(), "streamed": plan.is_streamed, "threads": session.threads}
    kind = {**arithmetic, "code": __version__}
    checkpoint = Checkpoint(session.workspace.checkpoints, identity.run_id, runtime.config.checkpoint_seconds, kind)
    before = tombstones_mark(session.workspace)
    curves = Curves(session.workspace.curves(identity.run))
    result = fit(plan, config.optimiser, config.seed, runtime, checkpoint, curves)
    if not runtime.is_first:
        return None
    require_no_withdrawal(session, before)
    own = dict(record)
    metrics = {"selection": own.pop("selection"), **result.metrics}
    saved = save_run(
        session.workspace,
        identity,
        plan.network,
        session.gate,
        runtime.device_name,
        {"best_epoch": result.best_epoch, "metrics": metrics, "runtime": arithmetic, **own},
    )
    remove_other_weights(session.workspace.features, identity.run, saved.run_id, saved.record["weights_sha256"])
    write_features(saved)
    checkpoint.remove()
    return saved
