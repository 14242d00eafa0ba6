"""Contours of the ventricles in one short-axis plane over the cycle, as radii around the left ventricle's axis.

The left ventricle is a half ellipsoid whose wall keeps its mass. Slices stay fixed in space while the base descends, so
a slice shows other tissue in systole. Segments move by their circumferential strain; a scar follows late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState, cavity_radius

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
# A cine of a fibrillating heart mixes several beats of different length and filling [M].
MIXED_BEATS, BEAT_RR_CV, BEAT_EDV_CV = 6, 0.20, 0.08
FASTEST_BEAT_BPM = 130.0  # the ejection time's formula holds no further

ANGLES = 360  # one radius per degree; 0 is anterior, positive towards the septum
SMOOTHING_DEG = 40.0  # neighbouring segments share their motion over a cosine of this width
SMALLEST_CAVITY = 0.12  # of the ellipsoid's radius: walls do not pass through each other
RV_ML_PER_MM2 = 0.085  # end-diastolic volume over mid-slice area [P]
RV_AREA_LOSS = 0.92  # share of the ejection fraction seen as area loss in the mid slice [P]
RV_CENTRE_DEG, RV_HALF_ARC_DEG = 100.0, 72.0
SEPTUM_HALF_ARC_DEG = 60.0
FLATTENING_LIMIT = 0.15  # of the septum's radius, by a loaded right ventricle [P]
_DEGREES = np.arange(ANGLES, dtype=np.float64)
_FROM_SEPTUM = np.abs((_DEGREES - RV_CENTRE_DEG + 180.0) % 360.0 - 180.0)
_SEPTUM = np.cos(0.5 * np.pi * np.clip(_FROM_SEPTUM / SEPTUM_HALF_ARC_DEG, 0.0, 1.0)) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One beat at every frame, each (frames,).

    `empty` is the share of the stroke volume that has left, `late` the same as a scarred wall shows it, `flash_mm` the
    inward push of the septum by a left bundle branch block.
    """

    empty: Floats
    late: Floats
    flash_mm: Floats


def end_systole_ms(state: HeartState) -> float:
    """Time of end-systole after the R peak, ms: ejection time plus isovolumic contraction."""
    intercept, slope = EJECTION_MS_MEN if state.male else EJECTION_MS_WOMEN
    return intercept + slope * state.cmr_heart_rate + ISOVOLUMIC_MS


def emptying(state: HeartState, frames: int, *, delay_ms: float = 0.0) -> Floats:
    """Share of the stroke volume that has left at each frame, (frames,), 0 at frame 0 and 1 at end-systole.

    Frame i is at i * RR / frames. In atrial fibrillation there is no atrial kick; in short cycles the kick merges with
    early filling. With a delay the curve of a wall that follows late, cyclic over the beat.
    """
    rr = 60_000.0 / state.cmr_heart_rate
    time = np.mod(np.arange(frames) * rr / frames - delay_ms, rr)
    systole_end = end_systole_ms(state)
    progress = np.clip((time - ISOVOLUMIC_MS) / (systole_end - ISOVOLUMIC_MS), 0.0, 1.0) ** 0.9
    ejected = np.sin(0.5 * np.pi * progress) ** 2
    return np.asarray(np.where(time <= systole_end, ejected, 1.0 - _filled(state, time, rr, systole_end)))


def _filled(state: HeartState, time_ms: Floats, rr: float, systole_end: float) -> Floats:
    """Share of the stroke volume that has returned."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """Radii in mm over (frames, 360): LV blood, LV outer wall, RV blood's outer edge (equal to `epi` outside it).

    `level` is where the plane cuts the cavity at each frame, from base (0) to apex (1).
    """

    endo: Floats
    epi: Floats
    rv: Floats
    level: Floats


def slice_contours(state: HeartState, beat: Beat, depth_mm: float) -> Contours:
    """Contours of the plane at a depth below the end-diastolic base.

    Parameters
    ----------
    depth_mm
        Distance of the plane from the base at end-diastole, towards the apex.
    """
    inner, outer, level = _ellipsoid(state, beat.empty, depth_mm)
    (rest,), _, _ = _ellipsoid(state, np.zeros(1), depth_mm)
    late, _, _ = _ellipsoid(state, beat.late, depth_mm)
    motion, thickness, scar = _segment_fields(state, depth_mm / state.lv_length)
    inward = (rest - inner)[:, None] * (1.0 - scar) + (rest - late)[:, None] * scar
    endo = rest - inward * motion - beat.flash_mm[:, None] * _SEPTUM
    endo = np.maximum(endo, SMALLEST_CAVITY * inner[:, None])
    endo = _flatten_septum(state, endo)
    epi = np.sqrt(endo**2 + np.maximum(outer**2 - inner**2, 0.0)[:, None] * thickness)
    return Contours(endo=endo, epi=epi, rv=_rv_edge(state, beat.empty, epi, depth_mm / state.lv_length), level=level)


def _ellipsoid(state: HeartState, empty: Floats, depth_mm: float) -> tuple[Floats, Floats, Floats]:
    """Inner and outer radius of the plane, mm, and its level from base (0) to apex (1), per frame."""
    volume = state.lv_edv - (state.lv_edv - state.lv_esv) * empty
    length = state.lv_length * (1.0 - state.shortening * empty)
    below_base = depth_mm - (state.lv_length - length)
    level = np.clip(below_base / length, 0.0, 1.0)
    whole = length + ph.APEX_WALL_MM
    wall_ml = state.lv_mass / ph.MYOCARDIAL_DENSITY_G_PER_ML
    outer = cavity_radius(volume + wall_ml, whole, np.clip(below_base / whole, 0.0, 1.0))
    return cavity_radius(volume, length, level), outer, level


def _segment_fields(state: HeartState, level: float) -> tuple[Floats, Floats, Floats]:
    """Relative inward motion, relative wall area and share of scar per degree; 1 is the heart's own mean."""
    which = 0 if level < 0.35 else 1 if level < 0.70 else 2
    first, last = (0, 6, 12)[which], (6, 12, 16)[which]
    expected = state.geometric_ecc * ph.ECC_FACTOR[first:last].mean()
    motion = np.clip(state.ecc[first:last] / expected, -0.1, 1.7)
    thickness = state.wall_thickness[first:last] / state.wall_thickness[first:last].mean()
    weight = _KERNELS[which]
    field = weight @ thickness
    return weight @ motion, field / field.mean(), weight @ state.scar[first:last]


def _kernel(angle_deg: Floats) -> Floats:
    """Weights (360, segments) that blend segments with a raised cosine."""
    apart = np.abs((_DEGREES[:, None] - angle_deg + 180.0) % 360.0 - 180.0)
    half = 180.0 / len(angle_deg)
    weight = 0.5 + 0.5 * np.cos(np.pi * np.clip((apart - half + SMOOTHING_DEG / 2) / SMOOTHING_DEG, 0.0, 1.0))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


_KERNELS = tuple(_kernel(ph.SEGMENT_ANGLE_DEG[first:last]) for first, last in ((0, 6), (6, 12), (12, 16)))


def septal_flattening(state: HeartState) -> float:
    """How much of its radius the septum loses to a large or weak right ventricle, 0 to .15."""
    rv_ef = 1.0 - state.rv_esv / state.rv_edv
    load = 0.25 * (state.rv_edv / state.lv_edv - 1.2) + 0.4 * max(0.42 - rv_ef, 0.0)
    return float(np.clip(load, 0.0, FLATTENING_LIMIT))


def _flatten_septum(state: HeartState, endo: Floats) -> Floats:
    """Press the septum in and let the rest of the ring give way, so that the cavity keeps its area."""
    share = septal_flattening(state)
    if share == 0.0:
        return endo
    flat = endo * (1.0 - share * _SEPTUM)
    area = np.maximum((flat**2).mean(axis=1), np.finfo(float).tiny)  # no cavity below the apex
    return np.asarray(flat * np.sqrt((endo**2).mean(axis=1) / area)[:, None])


def _rv_edge(state: HeartState, empty: Floats, epi: Floats, level: float) -> Floats:
    """Outer edge of the right ventricle's crescent, from its area at this level and its ejection fraction."""
    shape = np.clip(1.25 - 1.1 * max(level - 0.25, 0.0) ** 1.3 * 1.8, 0.0, 1.0)
    rv_ef = 1.0 - state.rv_esv / state.rv_edv
    area = state.rv_edv / RV_ML_PER_MM2 * shape * (1.0 - RV_AREA_LOSS * rv_ef * empty)
    profile = np.cos(0.5 * np.pi * np.clip(_FROM_SEPTUM / RV_HALF_ARC_DEG, 0.0, 1.0)) ** 1.1
    # Area between epi and epi + width * profile: quadratic in width.
    step = 2.0 * np.pi / ANGLES
    a, b = 0.5 * (profile**2).sum() * step, (epi * profile).sum(axis=1) * step
    width = (-b + np.sqrt(b**2 + 4.0 * a * area)) / (2.0 * a)
    return np.asarray(epi + width[:, None] * profile)
