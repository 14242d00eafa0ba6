"""The whole chain, from raw files to features in SQL."""

from __future__ import annotations

from flows.ingest import ingest
from flows.publish import publish
from flows.support.define import define, step
from flows.support.parameters import CohortParameters
from flows.train import train


@define("cohort", CohortParameters, hours=22 * 24)
def cohort(parameters: CohortParameters) -> list[str]:
    """Ingest, validate, record, train, publish."""
    step(ingest)(**dict(parameters))
    ran = step(train)(parameters.workspace)
    step(publish)(parameters.workspace)
    return ran
