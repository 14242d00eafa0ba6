"""The 82 traits of category 157 as an imaging pipeline would measure them: state, measurement error, missing blocks."""

from __future__ import annotations

import numpy as np

from eccl.simulate.heart import HeartState
from eccl.simulate.physiology import Floats

FIRST_FIELD = 24100
TRAITS = 82
FIELDS = tuple(range(FIRST_FIELD, FIRST_FIELD + TRAITS))

# Block -> positions among the 82; a block is measured as a whole or not at all.
BLOCKS: dict[str, slice] = {
    "ventricles": slice(0, 10),
    "atria": slice(10, 18),
    "aorta": slice(18, 24),
    "thickness": slice(24, 41),
    "radial_and_circumferential": slice(41, 75),
    "longitudinal": slice(75, 82),
}
AORTIC_DISTENSIBILITY = (20, 23)

# Share of imaged people without a block, from the public counts of category 157; distensibility also needs a central
# pulse pressure, so its own share comes on top of the missing aorta.
MISSING_SHARE = {
    "thickness": 0.0004,
    "radial_and_circumferential": 0.0018,
    "longitudinal": 0.021,
    "atria": 0.052,
    "aorta": 0.071,
    "distensibility": 0.053,
}
POOR_SCAN_ODDS = 1.6  # with a high BMI or an irregular rhythm [M]

# Errors within one scan: coefficients of variation [M].
CV = {
    "lv_edv": 0.04,
    "lv_esv": 0.07,
    "lv_mass": 0.055,
    "rv_edv": 0.06,
    "rv_esv": 0.09,
    "atrium_max": 0.08,
    "atrium_min": 0.13,
    "aorta_area": 0.018,
    "aao_dist": 0.22,
    "dao_dist": 0.15,
    "thickness_segment": 0.07,
    "ecc_segment": 0.13,
    "err_segment": 0.27,
    "ell_segment": 0.18,
    "thickness_global": 0.03,
    "ecc_global": 0.05,
    "err_global": 0.10,
    "ell_global": 0.08,
}
BASAL_EDV_ESV, BASAL_EDV_MASS = 0.3, -0.4  # correlation of errors through the choice of the basal slice [M]


def measure_traits(state: HeartState, rng: np.random.Generator) -> Floats:
    """Measure the 82 traits of one scan.

    Returns
    -------
    (82,) float64
        Fields 24100 to 24181 in order and in their units, NaN for a missing block. SV = EDV - ESV, EF = 100 SV / EDV
        and CO = SV * HR / 1000 (with the heart rate of the MR scan) hold for the measured values.
    """
    values = np.concatenate(
        [
            _ventricles(state, rng),
            _atria(state, rng),
            _aorta(state, rng),
            _with_global(state.wall_thickness, rng, CV["thickness_segment"], CV["thickness_global"]),
            _with_global(state.ecc, rng, CV["ecc_segment"], CV["ecc_global"]),
            _with_global(state.err, rng, CV["err_segment"], CV["err_global"]),
            _with_global(state.ell, rng, CV["ell_segment"], CV["ell_global"]),
        ]
    )
    return _drop_blocks(np.round(values, 6), state, rng)


def _noisy(value: float, cv: float, z: float) -> float:
    return float(value * np.exp(cv * z))


def _volumes(edv: float, esv: float) -> tuple[float, float, float, float]:
    """End-diastolic, end-systolic, stroke volume and ejection fraction, from the values as they will be written."""
    edv, esv = round(edv, 6), round(min(esv, 0.97 * edv), 6)
    return edv, esv, edv - esv, 100.0 * (edv - esv) / edv


def _ventricles(state: HeartState, rng: np.random.Generator) -> Floats:
    z_edv, z_esv, z_mass, z_rv, z_rv_esv = rng.standard_normal(5)
    z_esv = BASAL_EDV_ESV * z_edv + np.sqrt(1 - BASAL_EDV_ESV**2) * z_esv
    z_mass = BASAL_EDV_MASS * z_edv + np.sqrt(1 - BASAL_EDV_MASS**2) * z_mass
    left = _volumes(_noisy(state.lv_edv, CV["lv_edv"], z_edv), _noisy(state.lv_esv, CV["lv_esv"], z_esv))
    right = _volumes(_noisy(state.rv_edv, CV["rv_edv"], z_rv), _noisy(state.rv_esv, CV["rv_esv"], z_rv_esv))
    output = left[2] * round(state.cmr_heart_rate) / 1000.0
    return np.array([*left, output, _noisy(state.lv_mass, CV["lv_mass"], z_mass), *right])


def _atria(state: HeartState, rng: np.random.Generator) -> Floats:
    z = rng.standard_normal(4)
    left = _volumes(_noisy(state.la_max, CV["atrium_max"], z[0]), _noisy(state.la_min, CV["atrium_min"], z[1]))
    right = _volumes(_noisy(state.ra_max, CV["atrium_max"], z[2]), _noisy(state.ra_min, CV["atrium_min"], z[3]))
    return np.array([*left, *right])


def _aorta(state: HeartState, rng: np.random.Generator) -> Floats:
    out: list[float] = []
    for area, distensibility, cv in (
        (state.aao_area, state.aao_distensibility, CV["aao_dist"]),
        (state.dao_area, state.dao_distensibility, CV["dao_dist"]),
    ):
        largest = _noisy(area, CV["aorta_area"], rng.standard_normal())
        measured = _noisy(distensibility, cv, rng.standard_normal())
        # Distensibility = (max - min) / (min * central pulse pressure) * 1000.
        smallest = largest / (1.0 + measured * state.central_pp / 1000.0)
        out += [largest, smallest, measured]
    return np.array(out)


def _with_global(segments: Floats, rng: np.random.Generator, cv_segment: float, cv_global: float) -> Floats:
    """Measured segments and a global value near, but not equal to, their mean; the sign never changes."""
    local = segments * np.exp(cv_segment * rng.standard_normal(len(segments)))
    overall = segments.mean() * np.exp(cv_global * rng.standard_normal())
    return np.append(local, overall)


def _drop_blocks(values: Floats, state: HeartState, rng: np.random.Generator) -> Floats:
    poor = state.bmi > 31.0 or state.atrial_fibrillation
    # The average over good and poor scans stays at the published share.
    odds = POOR_SCAN_ODDS if poor else 0.93
    chance = {name: rng.random() for name in MISSING_SHARE}
    for name, share in MISSING_SHARE.items():
        if chance[name] < share * odds and name in BLOCKS:
            values[BLOCKS[name]] = np.nan
    if chance["distensibility"] < MISSING_SHARE["distensibility"] * odds:
        values[list(AORTIC_DISTENSIBILITY)] = np.nan
    return values
