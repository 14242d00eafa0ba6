"""One cardiac cycle from end-diastole to end-diastole: how far the ventricle has emptied at every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState

ISOVOLUMIC_MS = 45.0  # [M]
RELAXATION_MS = 80.0  # isovolumic relaxation [M]
EARLY_FILLING_MS, SLOW_FILLING_MS, ATRIAL_KICK_MS = 170.0, 220.0, 120.0  # [M]; slow where the ventricle is weak
WEAK_EF, STRONG_EF = 0.35, 0.55
# Ejection time falls with rate (Weissler): diastole takes nearly all of a change in RR.
EJECTION_MS_MEN, EJECTION_MS_WOMEN = (413.0, -1.7), (418.0, -1.6)
FUSION_RR_MS, FUSION_SPAN_MS = 650.0, 150.0  # below this cycle the atrial kick begins before early filling ends [M]
FUSION_SHARE = 0.6  # of the kick, where fusion is complete [P]
SCAR_DELAY_MS = 40.0  # a scarred wall moves late, pulled by its neighbours [P]
FLASH_MM, FLASH_PHASE, FLASH_WIDTH = 2.5, 0.08, 0.03  # left bundle branch block: the septum beats first [M] [P]
REBOUND_MM = 1.2  # and is pushed back by the late free wall [P]
# A cine of a fibrillating heart is made of several beats of different length and filling [M].
MIXED_BEATS, BEAT_RR_CV, BEAT_EDV_CV = 6, 0.20, 0.08
FASTEST_BEAT_BPM = 130.0  # the ejection time's formula holds no further


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One beat at every frame, each (frames,).

    `empty` is the share of the stroke volume that has left, `late` the same as a scarred wall shows it, `flash_mm` the
    inward push of the septum by a left bundle branch block.
    """

    empty: Floats
    late: Floats
    flash_mm: Floats

    @classmethod
    def of(cls, empty: Floats) -> Beat:
        """A beat without delay and flash."""
        return cls(empty, empty, np.zeros_like(empty))


def end_systole_ms(state: HeartState) -> float:
    """Time of end-systole after the R peak, ms: ejection time plus isovolumic contraction."""
    intercept, slope = EJECTION_MS_MEN if state.male else EJECTION_MS_WOMEN
    return intercept + slope * state.cmr_heart_rate + ISOVOLUMIC_MS


def emptying(state: HeartState, frames: int, *, delay_ms: float = 0.0) -> Floats:
    """Share of the stroke volume that has left at each frame, (frames,), 0 at frame 0 and 1 at end-systole.

    Frame i lies at i * RR / frames. In atrial fibrillation there is no atrial kick; in short cycles the kick merges with
    early filling. With a delay the curve of a wall that follows late, cyclic over the beat.
    """
    rr = 60_000.0 / state.cmr_heart_rate
    time = np.mod(np.arange(frames) * rr / frames - delay_ms, rr)
    systole_end = end_systole_ms(state)
    progress = np.clip((time - ISOVOLUMIC_MS) / (systole_end - ISOVOLUMIC_MS), 0.0, 1.0) ** 0.9
    ejected = np.sin(0.5 * np.pi * progress) ** 2
    return np.asarray(np.where(time <= systole_end, ejected, 1.0 - _filled(state, time, rr, systole_end)))


def _filled(state: HeartState, time_ms: Floats, rr: float, systole_end: float) -> Floats:
    """Share of the stroke volume that has come back."""
    weakness = float(np.clip((STRONG_EF - state.lv_ef) / (STRONG_EF - WEAK_EF), 0.0, 1.0))
    early_ms = EARLY_FILLING_MS + (SLOW_FILLING_MS - EARLY_FILLING_MS) * weakness
    early_share, kick_share = _filling_shares(state)
    fusion = FUSION_SHARE * float(np.clip((FUSION_RR_MS - rr) / FUSION_SPAN_MS, 0.0, 1.0)) * ATRIAL_KICK_MS
    # Short cycles squeeze filling into what is left of them, once the kick has been moved into early filling.
    squeeze = min(1.0, (rr - systole_end) / (RELAXATION_MS + early_ms + ATRIAL_KICK_MS - fusion))
    opening = systole_end + RELAXATION_MS * squeeze
    early = _raised_cosine((time_ms - opening) / (early_ms * squeeze))
    kick = _raised_cosine((time_ms - (rr - ATRIAL_KICK_MS * squeeze)) / (ATRIAL_KICK_MS * squeeze))
    drift = np.clip((time_ms - opening) / max(rr - opening, 1.0), 0.0, 1.0)
    return np.asarray(early_share * early + kick_share * kick + (1.0 - early_share - kick_share) * drift)


def _filling_shares(state: HeartState) -> tuple[float, float]:
    """Early and atrial share: .70 and .25 at 50 years, .60 and .35 at 75 [M]."""
    if state.atrial_fibrillation:
        return 0.95, 0.0
    age = float(np.clip((state.age_years - 50.0) / 25.0, -0.3, 1.3))
    return 0.70 - 0.10 * age, 0.25 + 0.10 * age


def _raised_cosine(progress: Floats) -> Floats:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(progress, 0.0, 1.0)))


def regular_beat(state: HeartState, frames: int) -> Beat:
    """The beat of a regular rhythm."""
    phase = np.arange(frames) / frames
    systole = end_systole_ms(state) * state.cmr_heart_rate / 60_000.0
    pull = np.exp(-(((phase - FLASH_PHASE) / FLASH_WIDTH) ** 2))
    pull[0] = 0.0
    push = np.sin(np.pi * np.clip((phase - 2 * FLASH_PHASE) / (systole - 2 * FLASH_PHASE), 0.0, 1.0)) ** 2
    flash = FLASH_MM * pull - REBOUND_MM * push if state.conduction == "lbbb" else np.zeros(frames)
    return Beat(emptying(state, frames), emptying(state, frames, delay_ms=SCAR_DELAY_MS), flash)


def scanned_beats(state: HeartState, frames: int, rng: np.random.Generator) -> list[Beat]:
    """The beats that a cine averages: one, or several of different length and filling in atrial fibrillation."""
    if not state.atrial_fibrillation:
        return [regular_beat(state, frames)]
    stroke = state.lv_edv - state.lv_esv
    lengths = np.clip(1.0 + BEAT_RR_CV * rng.standard_normal(MIXED_BEATS), 0.6, 1.5)
    sizes = np.clip(1.0 + BEAT_EDV_CV * state.lv_edv / stroke * rng.standard_normal(MIXED_BEATS), 0.4, 1.6)
    beats = []
    # The mean beat keeps the state's volumes, for these are what the tables hold.
    for length, size in zip(lengths, sizes / sizes.mean(), strict=True):
        rate = min(state.cmr_heart_rate / length, FASTEST_BEAT_BPM)
        beat = regular_beat(replace(state, cmr_heart_rate=rate), frames)
        beats.append(Beat(1.0 - size * (1.0 - beat.empty), 1.0 - size * (1.0 - beat.late), beat.flash_mm))
    return beats
