"""The simulated cohort of the suite: raw files in UK Biobank's formats, and a workspace that holds them."""

from __future__ import annotations

from pathlib import Path

from eccl.ingest.run import run_ingest
from eccl.publishing.publish import publish
from eccl.simulate import SimulationConfig, simulate_cohort
from eccl.workspace import Workspace
from tests.support.cache import shared_folder
from tests.support.runs import finish_every_run
from tests.support.workspaces import copy_data, make_workspace

COHORT = {
    "participants": 14,
    "seed": 11,
    "disease_enrichment": True,
    "second_visit_share": 0.2,
    "missing_ecg_share": 0.1,
    "missing_cine_share": 0.1,
    "corruption_share": 0.15,
    "withdrawn": 1,
    "slices": [2, 3],
}


def raw_cohort() -> Path:
    """Raw files of 14 simulated participants; do not write into the folder."""

    def build(folder: Path) -> None:
        simulate_cohort(folder, SimulationConfig.model_validate(COHORT), workers=2)

    return shared_folder("raw cohort", build)  # a path with a space, as on the research platform


def ingested_workspace() -> Workspace:
    """The cohort ingested into a bare workspace; do not write into it."""
    raw = raw_cohort()
    return Workspace(shared_folder("ingested", lambda folder: run_ingest(make_workspace(folder), raw, workers=2)))


def featured_workspace() -> Workspace:
    """The ingested cohort with made-up runs of every stage and a published store; do not write into it."""
    source = ingested_workspace()

    def build(folder: Path) -> None:
        workspace = copy_data(source, folder)
        finish_every_run(workspace)
        publish(workspace)

    return Workspace(shared_folder("featured", build))
