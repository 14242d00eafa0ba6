"""The whole chain, from raw files to features in SQL."""

from __future__ import annotations

from prefect import flow

from flows.ingest import ingest
from flows.publish import publish
from flows.support.hooks import HOOKS
from flows.support.parameters import RawPlace, Workers, WorkspacePath, described
from flows.support.policy import step, timeout_s
from flows.support.redaction import discreet
from flows.train import train


@flow(name="cohort", timeout_seconds=timeout_s("cohort"), **HOOKS)
@discreet
@described
def cohort(workspace: WorkspacePath, raw: RawPlace, workers: Workers = 2) -> list[str]:
    """Ingest, gate, record, train, publish."""
    step(ingest)(workspace, raw, workers)
    ran = step(train)(workspace)
    step(publish)(workspace)
    return ran
