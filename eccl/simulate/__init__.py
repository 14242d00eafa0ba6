"""A simulated cohort in UK Biobank's own formats: nobody in it has to be protected.

::

    from eccl.simulate import SimulationConfig, simulate_cohort
    simulate_cohort(Path("raw"), SimulationConfig(participants=8), workers=2)
"""

from __future__ import annotations

from eccl.simulate.cine.render import render_cine
from eccl.simulate.cohort import Participant, Visit, draw_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.ecg.render import render_ecg
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
    "render_cine",
    "render_ecg",
    "simulate_cohort",
]
