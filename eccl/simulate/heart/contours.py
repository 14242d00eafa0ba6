"""Contours of the ventricles in one short-axis plane over the cycle, as radii around the left ventricle's axis.

The left ventricle is a half ellipsoid whose wall keeps its mass. Slices stay fixed in space while the base descends, so
a slice shows other tissue in systole. Segments move as their circumferential strain says; a scar follows late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.cardiac_cycle import Beat
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState, cavity_radius

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
class Contours:
    """Radii in mm over (frames, 360): LV blood, LV outer wall, RV blood's outer edge (equal to `epi` outside it).

    `level` is where the plane cuts the cavity at each frame, from base (0) to apex (1).
    """

    endo: Floats
    epi: Floats
    rv: Floats
    level: Floats

    @property
    def blood_area_mm2(self) -> Floats:
        """Area of the LV cavity per frame."""
        return _area(self.endo)

    @property
    def wall_area_mm2(self) -> Floats:
        """Area of the LV wall per frame."""
        return _area(self.epi) - _area(self.endo)

    @property
    def rv_area_mm2(self) -> Floats:
        """Area of the RV cavity per frame."""
        return _area(self.rv) - _area(self.epi)

    @property
    def circumferential_strain(self) -> Floats:
        """Mean of endocardial and epicardial line strain against frame 0, % per frame: the pipeline of category 157."""
        endo, epi = (_length(edge) / _length(edge[:1]) for edge in (self.endo, self.epi))
        return np.asarray(50.0 * (endo + epi - 2.0))

    def thickness_mm(self, sectors: int = 6) -> Floats:
        """Mean wall thickness of equal sectors, the first centred on anterior, then towards the septum.

        Six sectors are the AHA segments of a basal or mid slice, four those of an apical one; (frames, sectors).
        """
        wall = np.roll(self.epi - self.endo, ANGLES // (2 * sectors), axis=1)
        return np.asarray(wall.reshape(len(wall), sectors, -1).mean(axis=2))


def _area(radius: Floats) -> Floats:
    return np.asarray(np.pi * (radius**2).mean(axis=1))


def _length(radius: Floats) -> Floats:
    step = 2.0 * np.pi / ANGLES
    return np.asarray(np.hypot(radius * step, np.roll(radius, -1, axis=1) - radius).sum(axis=1))


def slice_contours(state: HeartState, beat: Beat | Floats, depth_mm: float) -> Contours:
    """Contours of the plane at a depth below the end-diastolic base.

    Parameters
    ----------
    state
        The heart.
    beat
        A beat, or the share of the stroke volume that has left per frame (see :func:`emptying`).
    depth_mm
        Distance of the plane from the base at end-diastole, towards the apex.
    """
    if not isinstance(beat, Beat):
        beat = Beat.of(beat)
    inner, outer, level = _ellipsoid(state, beat.empty, depth_mm)
    (rest,), _, _ = _ellipsoid(state, np.zeros(1), depth_mm)
    late = inner if beat.late is beat.empty else _ellipsoid(state, beat.late, depth_mm)[0]
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
