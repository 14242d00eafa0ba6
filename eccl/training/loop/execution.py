"""Carry out one run: train with a checkpoint and curves, then save weights and record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eccl import __version__
from eccl.errors import WithdrawalError
from eccl.features.materialized import remove_other_weights
from eccl.ledger.tombstones import require_no_pending_withdrawal, tombstones_mark
from eccl.training.inputs.sources import Source
from eccl.training.loop.curves import Curves
from eccl.training.loop.resume import Checkpoint
from eccl.training.loop.trainer import TrainingPlan, fit
from eccl.training.runs import Run, RunIdentity, save_run
from eccl.training.session import Session
from eccl.training.settings.config import OptimiserConfig


def require_nobody_left(session: Session, before: str) -> None:
    """Refuse to save a model of data that somebody left while it was trained: nothing would mark it."""
    require_no_pending_withdrawal(session.workspace)
    if tombstones_mark(session.workspace) != before:
        raise WithdrawalError(
            "participants withdrew while this stage was trained, so its model and features are not written; start the stage again"
        )


def carry_out(
    session: Session,
    identity: RunIdentity,
    plan: TrainingPlan,
    optimiser: OptimiserConfig,
    seed: int,
    source: Source,
    record: Mapping[str, Any],
    describe: Callable[[Run], object] = lambda run: None,
) -> Run | None:
    """Train a plan, save what came out, and let it describe every visit.

    The checkpoint goes last: a kill while features are written costs the features, not the training.

    Parameters
    ----------
    source
        What is read while training; its order of reading decides which checkpoints fit.
    record
        What run.json tells beside the common part: ``selection``, ``split_counts`` and the stage's own.
    describe
        Writes the stage's feature views with the saved run.

    Returns
    -------
    Run or None
        None in a process that only helped to train.
    """
    runtime = session.runtime
    arithmetic = {**runtime.record(), "streamed": source.block is not None, "threads": session.threads}
    folder = session.workspace.checkpoints
    kind = {**arithmetic, "code": __version__}
    checkpoint = Checkpoint(folder, identity.run_id, runtime.config.checkpoint_seconds, kind)
    left = tombstones_mark(session.workspace)
    result = fit(plan, optimiser, seed, runtime, checkpoint, Curves(session.workspace.curves(identity.run)))
    if not runtime.is_first:
        return None
    require_nobody_left(session, left)
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
    describe(saved)
    checkpoint.remove()
    return saved
