"""A simulated cohort in UK Biobank's own formats; it holds no data of real people.

::

    from eccl.simulate import SimulationConfig, simulate_cohort
    simulate_cohort(Path("raw"), SimulationConfig(participants=8), workers=2)
"""

from __future__ import annotations

from eccl.simulate.cohort import Participant, Visit, draw_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.simulation import CorruptionCount, SimulationSummary, simulate_cohort
from eccl.simulate.heart.state import HeartState
from eccl.simulate.heart.traits import measure_traits

__all__ = [
    "CorruptionCount",
    "HeartState",
    "Participant",
    "SimulationConfig",
    "SimulationSummary",
    "Visit",
    "draw_cohort",
    "measure_traits",
    "simulate_cohort",
]
