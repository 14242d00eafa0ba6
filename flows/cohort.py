"""The whole chain, from raw files to features in SQL."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.ingest import ingest
from flows.publish import publish
from flows.train import train


@flow(name="cohort")
def cohort(workspace: Path, raw: Path, workers: int = 2) -> list[str]:
    """Ingest, gate, record, train, publish."""
    ingest(workspace, raw, workers)
    ran = train(workspace)
    publish(workspace)
    return ran
