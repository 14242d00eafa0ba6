"""Contours of the ventricles in one short-axis plane over the cycle, as radii around the left ventricle's axis.

The left ventricle is a half ellipsoid whose wall keeps its mass. Slices stay fixed in space while the base descends, so
a slice shows other tissue in systole. Segments move as their circumferential strain says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eccl.simulate import physiology as ph
from eccl.simulate.heart import HeartState, cavity_radius
from eccl.simulate.physiology import Floats

ANGLES = 360  # one radius per degree; 0 is anterior, positive towards the septum
SMOOTHING_DEG = 40.0  # neighbouring segments share their motion over a cosine of this width
RV_ML_PER_MM2 = 0.085  # end-diastolic volume over mid-slice area [P]
RV_AREA_LOSS = 0.92  # share of the ejection fraction seen as area loss in the mid slice [P]
RV_CENTRE_DEG, RV_HALF_ARC_DEG = 100.0, 72.0
_DEGREES = np.arange(ANGLES, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """Radii in mm over (frames, 360): LV blood, LV outer wall, RV blood's outer edge (equal to `epi` outside it)."""

    endo: Floats
    epi: Floats
    rv: Floats
    level: Floats

    @property
    def blood_area_mm2(self) -> Floats:
        """Area of the LV cavity per frame."""
        return np.asarray(0.5 * (self.endo**2).mean(axis=1) * 2.0 * np.pi)

    @property
    def wall_area_mm2(self) -> Floats:
        """Area of the LV wall per frame."""
        return np.asarray(0.5 * (self.epi**2 - self.endo**2).mean(axis=1) * 2.0 * np.pi)


def slice_contours(state: HeartState, empty: Floats, depth_mm: float) -> Contours:
    """Contours of the plane at a depth below the end-diastolic base.

    Parameters
    ----------
    state
        The heart.
    empty
        Share of the stroke volume that has left, per frame (see :func:`emptying`).
    depth_mm
        Distance of the plane from the base at end-diastole, towards the apex.
    """
    volume = state.lv_edv - (state.lv_edv - state.lv_esv) * empty
    length = state.lv_length * (1.0 - state.shortening * empty)
    descent = state.lv_length - length
    level = np.clip((depth_mm - descent) / length, 0.0, 1.0)
    wall_ml = state.lv_mass / ph.MYOCARDIAL_DENSITY_G_PER_ML
    outer_level = np.clip((depth_mm - descent) / (length + 6.0), 0.0, 1.0)
    inner = cavity_radius(volume, length, level)
    outer = cavity_radius(volume + wall_ml, length + 6.0, outer_level)
    wall_square = np.maximum(outer**2 - inner**2, 0.0)

    motion, thickness = _segment_fields(state, float(level[0]))
    endo = inner[0] - (inner[0] - inner)[:, None] * motion
    endo = np.maximum(endo, 0.12 * inner[:, None])
    epi = np.sqrt(endo**2 + wall_square[:, None] * thickness)
    return Contours(endo=endo, epi=epi, rv=_rv_edge(state, empty, epi, float(level[0])), level=level)


def _segment_fields(state: HeartState, level: float) -> tuple[Floats, Floats]:
    """Relative inward motion and relative wall area per degree; 1 is the heart's own mean."""
    which = 0 if level < 0.35 else 1 if level < 0.70 else 2
    first, last = (0, 6, 12)[which], (6, 12, 16)[which]
    angle = ph.SEGMENT_ANGLE_DEG[first:last]
    expected = state.geometric_ecc * ph.ECC_FACTOR[first:last].mean()
    motion = np.clip(state.ecc[first:last] / expected, -0.1, 1.7)
    thickness = state.wall_thickness[first:last] / state.wall_thickness[first:last].mean()
    weight = _kernel(angle)
    field = weight @ thickness
    return weight @ motion, field / field.mean()


def _kernel(angle_deg: Floats) -> Floats:
    """Weights (360, segments) that blend segments with a raised cosine."""
    apart = np.abs((_DEGREES[:, None] - angle_deg + 180.0) % 360.0 - 180.0)
    half = 180.0 / len(angle_deg)
    weight = 0.5 + 0.5 * np.cos(np.pi * np.clip((apart - half + SMOOTHING_DEG / 2) / SMOOTHING_DEG, 0.0, 1.0))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _rv_edge(state: HeartState, empty: Floats, epi: Floats, level: float) -> Floats:
    """Outer edge of the right ventricle's crescent, from its area at this level and its ejection fraction."""
    shape = np.clip(1.25 - 1.1 * max(level - 0.25, 0.0) ** 1.3 * 1.8, 0.0, 1.0)
    rv_ef = 1.0 - state.rv_esv / state.rv_edv
    area = state.rv_edv / RV_ML_PER_MM2 * shape * (1.0 - RV_AREA_LOSS * rv_ef * empty)
    apart = (_DEGREES - RV_CENTRE_DEG + 180.0) % 360.0 - 180.0
    profile = np.cos(0.5 * np.pi * np.clip(apart / RV_HALF_ARC_DEG, -1.0, 1.0)) ** 0.8
    # Area between epi and epi + width * profile: quadratic in width.
    step = 2.0 * np.pi / ANGLES
    a, b = 0.5 * (profile**2).sum() * step, (epi * profile).sum(axis=1) * step
    width = (-b + np.sqrt(b**2 + 4.0 * a * area)) / (2.0 * a)
    return np.asarray(epi + width[:, None] * profile)
