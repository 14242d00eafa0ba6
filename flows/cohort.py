"""The whole chain, from raw files to features in SQL."""

from __future__ import annotations

from prefect import flow

from flows.hooks import HOOKS
from flows.ingest import ingest
from flows.parameters import RawPlace, Workers, WorkspacePath, described
from flows.policy import step, timeout_s
from flows.publish import publish
from flows.train import train
from flows.words import discreet


@flow(name="cohort", timeout_seconds=timeout_s("cohort"), **HOOKS)
@discreet
@described
def cohort(workspace: WorkspacePath, raw: RawPlace, workers: Workers = 2) -> list[str]:
    """Ingest, gate, record, train, publish."""
    step(ingest)(workspace, raw, workers)
    ran = step(train)(workspace)
    step(publish)(workspace)
    return ran
