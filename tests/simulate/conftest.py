"""States drawn once and small cohorts written once for the tests of the simulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eccl.simulate import HeartState, SimulationConfig, SimulationSummary, draw_cohort, simulate_cohort
from eccl.simulate.heart.physiology import Columns
from eccl.simulate.heart.population import draw_columns


@pytest.fixture(scope="session")
def natural() -> Columns:
    """20,000 people at natural prevalences."""
    return draw_columns(np.random.default_rng(11), 20_000, enriched=False)


@pytest.fixture(scope="session")
def states() -> list[HeartState]:
    """240 hearts, cheaply drawn."""
    config = SimulationConfig(participants=240, seed=3, disease_enrichment=False)
    return [person.imaging.state for person in draw_cohort(config)]


SMALL = SimulationConfig(
    participants=6,
    seed=5,
    slices=(3, 3),
    frames=10,
    second_visit_share=0.34,
    missing_ecg_share=0.0,
    missing_cine_share=0.17,
    corruption_share=0.3,
    withdrawn=1,
    full_disclosure_share=0.0,
    matrix_sizes=((144, 128),),
)


@pytest.fixture(scope="session")
def small_config() -> SimulationConfig:
    """A recipe that takes a second or two."""
    return SMALL


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulationSummary]:
    """A small cohort on disk, written by one process."""
    out = tmp_path_factory.mktemp("cohort") / "raw"
    return out, simulate_cohort(out, SMALL)
