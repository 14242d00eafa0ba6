"""Hand-made features of an ECG and of the ventricles' masks: how much of a trait each modality carries in principle.

A ridge regression on these features is the yardstick the simulator is calibrated with (docs/explanation/simulator.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eccl.readers.ecg.cardiosoft import LEADS
from eccl.simulate.ecg.measurements import measure
from eccl.simulate.ecg.render import MEDIAN_R_INDEX, RESOLUTION_UV, SAMPLE_RATE_HZ, Ecg
from eccl.simulate.heart.contours import ANGLES, Beat, Contours, emptying, slice_contours
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState

# Leads whose amplitudes are read, per wave: what Sokolow, Cornell, the axes and the usual criteria look at.
R_LEADS = ("I", "aVL", "aVF", "V1", "V2", "V4", "V5", "V6")
S_LEADS = ("III", "V1", "V2", "V3", "V5", "V6")
T_LEADS = ("I", "aVF", "V1", "V2", "V3", "V5", "V6")
ECG_FEATURES = (
    *("rate", "log_rmssd", "pr", "p_duration", "qrs", "qtc", "axis", "has_p", "log_area"),
    *(f"R_{lead}" for lead in R_LEADS),
    *(f"S_{lead}" for lead in S_LEADS),
    *(f"T_{lead}" for lead in T_LEADS),
    *("J_V2", "P_II", "P_V1_terminal"),
)

MASK_FRAMES = 12  # of the cycle
MASK_STEPS_MM = (-10.0, 0.0, 10.0)  # mid slice and its neighbours
MASK_SECTORS = 6

# Groups of the 82 traits in which results are shown: name -> positions.
TRAIT_GROUPS: dict[str, tuple[int, ...]] = {
    "LVEDV": (0,),
    "LVESV": (1,),
    "LVSV, CO": (2, 4),
    "LVEF": (3,),
    "LVM": (5,),
    "RV volumes": (6, 7, 8),
    "RVEF": (9,),
    "LA": tuple(range(10, 14)),
    "RA": tuple(range(14, 18)),
    "aortic area": (18, 19, 21, 22),
    "distensibility": (20, 23),
    "WT global": (40,),
    "WT segments": tuple(range(24, 40)),
    "Ecc global": (57,),
    "Ecc segments": tuple(range(41, 57)),
    "Err global": (74,),
    "Err segments": tuple(range(58, 74)),
    "Ell global": (81,),
    "Ell segments": tuple(range(75, 81)),
}


def plain_beat(empty: Floats) -> Beat:
    """A beat of a heart without scar and block, from the share of the stroke volume that has left per frame."""
    return Beat(empty, empty, np.zeros_like(empty))


def blood_area_mm2(contours: Contours) -> Floats:
    """Return the area of the left ventricle's cavity per frame."""
    return _area(contours.endo)


def wall_area_mm2(contours: Contours) -> Floats:
    """Return the area of the left ventricle's wall per frame."""
    return _area(contours.epi) - _area(contours.endo)


def rv_area_mm2(contours: Contours) -> Floats:
    """Return the area of the right ventricle's cavity per frame."""
    return _area(contours.rv) - _area(contours.epi)


def circumferential_strain(contours: Contours) -> Floats:
    """Return the mean of endocardial and epicardial line strain against frame 0, % per frame, as in category 157."""
    endo, epi = (_length(edge) / _length(edge[:1]) for edge in (contours.endo, contours.epi))
    return np.asarray(50.0 * (endo + epi - 2.0))


def thickness_mm(contours: Contours, sectors: int = 6) -> Floats:
    """Return the mean wall thickness of equal sectors (frames, sectors), the first centred on anterior.

    Six sectors are the AHA segments of a basal or mid slice, four those of an apical one.
    """
    wall = np.roll(contours.epi - contours.endo, ANGLES // (2 * sectors), axis=1)
    return np.asarray(wall.reshape(len(wall), sectors, -1).mean(axis=2))


def _area(radius: Floats) -> Floats:
    return np.asarray(np.pi * (radius**2).mean(axis=1))


def _length(radius: Floats) -> Floats:
    step = 2.0 * np.pi / ANGLES
    return np.asarray(np.hypot(radius * step, np.roll(radius, -1, axis=1) - radius).sum(axis=1))


def ecg_features(ecg: Ecg) -> Floats:
    """Features of one recording in the order of ECG_FEATURES.

    Amplitudes in mV from the median beat, noise included; intervals in ms as the electrocardiograph reports them;
    0 stands for P where there is none.
    """
    marks = measure(ecg)
    mv = dict(zip(LEADS, ecg.median.astype(np.float64) * RESOLUTION_UV / 1000.0, strict=True))
    rr = np.diff(ecg.r_times_ms)
    rmssd = float(np.sqrt(np.mean(np.diff(rr) ** 2))) if len(rr) > 1 else 20.0
    first, last, end = (m * SAMPLE_RATE_HZ // 1000 for m in (marks.q_onset_ms, marks.q_offset_ms, marks.t_offset_ms))
    qrs = {lead: wave[first:last] for lead, wave in mv.items()}
    area = sum(float(np.abs(wave).sum()) for wave in qrs.values())
    p_first = max((marks.p_onset_ms or 0) * SAMPLE_RATE_HZ // 1000, 0)
    p_last = (marks.p_offset_ms or 0) * SAMPLE_RATE_HZ // 1000
    p_middle = (p_first + p_last) // 2
    has_p = p_last - p_first > 20
    features = [
        float(marks.ventricular_rate),
        float(np.log(max(rmssd, 2.0))),
        float(marks.pq_ms or 0),
        float(marks.p_ms or 0),
        float(marks.qrs_ms),
        marks.qt_ms * float(np.cbrt(marks.ventricular_rate / 60.0)),
        float(marks.r_axis),
        float(has_p),
        float(np.log(max(area, 0.1))),
    ]
    features += [float(qrs[lead].max()) for lead in R_LEADS]
    features += [float(-qrs[lead].min()) for lead in S_LEADS]
    features += [_largest(mv[lead][min(last + 20, end - 2) : end]) for lead in T_LEADS]
    features += [float(mv["V2"][min(last + 4, MEDIAN_R_INDEX + 120)])]
    features += [_largest(mv["II"][p_first:p_last]) if has_p else 0.0]
    features += [float(mv["V1"][p_middle:p_last].min()) if has_p else 0.0]
    return np.array(features)


def _largest(wave: Floats) -> float:
    return float(wave[np.argmax(np.abs(wave))]) if wave.size else 0.0


def mask_features(state: HeartState) -> Floats:
    """Areas and sector radii of the ventricles' masks in three mid slices over the cycle.

    Returns
    -------
    (3 * (3 * MASK_FRAMES + 4 * MASK_SECTORS),) float64
        Per slice: cavity, wall and right ventricular area (cm2) at each frame; endocardial and epicardial radius
        (mm) per sector at end-diastole and at the frame with the smallest cavity.
    """
    empty = emptying(state, MASK_FRAMES)
    out: list[Floats] = []
    for step in MASK_STEPS_MM:
        contours = slice_contours(state, plain_beat(empty), 0.5 * state.lv_length + step)
        out += [area / 100.0 for area in (blood_area_mm2(contours), wall_area_mm2(contours), rv_area_mm2(contours))]
        systole = int(blood_area_mm2(contours).argmin())
        out += [_sectors(edge[frame]) for edge in (contours.endo, contours.epi) for frame in (0, systole)]
    return np.concatenate(out)


def _sectors(radius: Floats) -> Floats:
    """Mean radius of six sectors of 60 degrees, the first centred on anterior."""
    return np.asarray(np.roll(radius, 180 // MASK_SECTORS).reshape(MASK_SECTORS, -1).mean(axis=1))


def group_means(per_trait: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Mean of a number per trait over each group, and over all 82 as "all"."""
    values = np.asarray(per_trait, dtype=np.float64)
    return {name: float(values[list(group)].mean()) for name, group in TRAIT_GROUPS.items()} | {
        "all": float(values.mean())
    }
