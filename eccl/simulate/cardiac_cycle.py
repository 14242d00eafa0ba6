"""One cardiac cycle from end-diastole to end-diastole: how far the ventricle has emptied at every frame."""

from __future__ import annotations

import numpy as np

from eccl.simulate.heart import HeartState
from eccl.simulate.physiology import Floats

ISOVOLUMIC_MS = 45.0  # [M]
RELAXATION_MS = 80.0  # isovolumic relaxation [M]
EARLY_FILLING_MS, ATRIAL_KICK_MS = 170.0, 120.0  # [M]
# Ejection time falls with rate (Weissler): diastole takes nearly all of a change in RR.
EJECTION_MS_MEN, EJECTION_MS_WOMEN = (413.0, -1.7), (418.0, -1.6)


def end_systole_ms(state: HeartState) -> float:
    """Time of end-systole after the R peak, ms: ejection time plus isovolumic contraction."""
    intercept, slope = EJECTION_MS_MEN if state.male else EJECTION_MS_WOMEN
    return intercept + slope * state.cmr_heart_rate + ISOVOLUMIC_MS


def emptying(state: HeartState, frames: int) -> Floats:
    """Share of the stroke volume that has left at each frame, (frames,), 0 at frame 0 and 1 at end-systole.

    Frame i lies at i * RR / frames. In atrial fibrillation there is no atrial kick.
    """
    rr = 60_000.0 / state.cmr_heart_rate
    systole_end = end_systole_ms(state)
    time = np.arange(frames) * rr / frames
    progress = np.clip((time - ISOVOLUMIC_MS) / (systole_end - ISOVOLUMIC_MS), 0.0, 1.0) ** 0.9
    ejected = np.sin(0.5 * np.pi * progress) ** 2
    # Short cycles squeeze filling into what is left of them.
    squeeze = min(1.0, (rr - systole_end) / (RELAXATION_MS + EARLY_FILLING_MS + ATRIAL_KICK_MS))
    early_share, kick_share = _filling_shares(state)
    opening = systole_end + RELAXATION_MS * squeeze
    early = _raised_cosine((time - opening) / (EARLY_FILLING_MS * squeeze))
    kick = _raised_cosine((time - (rr - ATRIAL_KICK_MS * squeeze)) / (ATRIAL_KICK_MS * squeeze))
    drift = np.clip((time - opening) / max(rr - opening, 1.0), 0.0, 1.0)
    filled = early_share * early + kick_share * kick + (1.0 - early_share - kick_share) * drift
    return np.asarray(np.where(time <= systole_end, ejected, 1.0 - filled))


def _filling_shares(state: HeartState) -> tuple[float, float]:
    """Early and atrial share: .70 and .25 at 50 years, .60 and .35 at 75 [M]."""
    if state.atrial_fibrillation:
        return 0.95, 0.0
    age = float(np.clip((state.age_years - 50.0) / 25.0, -0.3, 1.3))
    return 0.70 - 0.10 * age, 0.25 + 0.10 * age


def _raised_cosine(progress: Floats) -> Floats:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(progress, 0.0, 1.0)))
