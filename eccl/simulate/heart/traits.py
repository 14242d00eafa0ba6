"""The 82 traits of category 157 as an imaging pipeline would measure them: state, measurement error, missing blocks."""

from __future__ import annotations

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState

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

# Why blocks are missing, as shares of imaged people, from the public counts of category 157. A series that was not
# acquired or failed takes everything that is measured on it, and so the blocks nest: without wall thickness no radial
# and circumferential strain (both short axis), without longitudinal strain no atria (both four-chamber view), without
# aortic area no distensibility.
MISSING: dict[str, tuple[float, tuple[str, ...]]] = {  # cause -> share, blocks that it takes away
    "short_axis_wall": (0.0004, ("thickness", "radial_and_circumferential")),
    "registration": (0.0018, ("radial_and_circumferential",)),
    "four_chamber": (0.0230, ("longitudinal", "atria")),
    "two_chamber": (0.0297, ("atria",)),
    "aortic_cine": (0.0710, ("aorta",)),
    "central_pressure": (0.0527, ()),  # distensibility alone
}
# Log odds of a failure per unit: a large chest, age and an irregular rhythm spoil scans [M] (odds 1.3 to 2).
MISSING_PER_BMI_SD, MISSING_PER_DECADE, MISSING_WITH_FIBRILLATION = 0.26, 0.26, 0.70
_BMI_MEAN, _BMI_SD = 26.5, 4.5
# Mean of exp(log odds) over the population; dividing by it keeps the shares above.
_MEAN_ODDS = 1.061

# Errors within one scan: coefficients of variation [M].
CV = {
    "lv_edv": 0.04,
    "lv_esv": 0.08,
    "lv_mass": 0.055,
    "rv_edv": 0.055,
    "rv_esv": 0.09,
    "atrium_max": 0.08,
    "atrium_min": 0.13,
    "aorta_area": 0.018,
    "aao_dist": 0.22,
    "dao_dist": 0.15,
}
# Strain and thickness: (error of a segment, error of the mean of all of them). Segmental errors are at the upper end
# of what is published, because the features of an image cannot predict a segment better than it was measured [P].
SEGMENT_CV = {"thickness": 0.085, "ecc": 0.155, "err": 0.27, "ell": 0.18}
GLOBAL_CV = {"thickness": 0.03, "ecc": 0.05, "err": 0.10, "ell": 0.08}
GLOBAL_IS_NOT_THE_MEAN = 0.01  # [P] the pipeline averages lines and slices, not segments
# Choosing the basal slice moves every volume and, the other way, the mass: correlations of the errors [M].
BASAL_LOADING, BASAL_MASS_LOADING = 0.55, -0.73  # r(EDV, ESV) = .30, r(EDV, mass) = -.40
RV_SHARED_LOADING, ATRIUM_SHARED_LOADING = 0.50, 0.71  # further agreement of the two phases
REGISTRATION_ECC_ERR = -0.5  # a failing registration loses both strains
MASS_THICKNESS = 0.6  # wall contours too far out


def measure_traits(state: HeartState, rng: np.random.Generator) -> Floats:
    """Measure the 82 traits of one scan.

    Returns
    -------
    (82,) float64
        Fields 24100 to 24181 in order and in their units, NaN for a missing block. SV = EDV - ESV, EF = 100 SV / EDV
        and CO = SV * HR / 1000 (with the heart rate of the MR scan) hold for the measured values.
    """
    z_mass, z_wall, z_ecc, z_err, z_ell = rng.standard_normal(5).tolist()
    z_wall = _mixed(MASS_THICKNESS, z_mass, z_wall)
    z_err = _mixed(REGISTRATION_ECC_ERR, z_ecc, z_err)
    values = np.concatenate(
        [
            _ventricles(state, rng, z_mass),
            _atria(state, rng),
            _aorta(state, rng),
            _with_global(state.wall_thickness, rng, "thickness", z_wall),
            # Both logarithms grow with the size of the strain: opposite signs make them fail together.
            _with_global(state.ecc, rng, "ecc", -z_ecc),
            _with_global(state.err, rng, "err", z_err),
            _with_global(state.ell, rng, "ell", z_ell),
        ]
    )
    return _drop_blocks(np.round(values, 6), state, rng)


def _mixed(correlation: float, shared: float, own: float) -> float:
    return correlation * shared + float(np.sqrt(1.0 - correlation**2)) * own


def _noisy(value: float, cv: float, z: float) -> float:
    return float(value * np.exp(cv * z))


def _volumes(edv: float, esv: float) -> tuple[float, float, float, float]:
    """End-diastolic, end-systolic, stroke volume and ejection fraction, from the values as they will be written."""
    edv, esv = round(edv, 6), round(min(esv, 0.97 * edv), 6)
    return edv, esv, edv - esv, 100.0 * (edv - esv) / edv


def _ventricles(state: HeartState, rng: np.random.Generator, z_mass: float) -> Floats:
    basal, right, z_edv, z_esv, z_rv, z_rv_esv = rng.standard_normal(6).tolist()
    rest = np.sqrt(1.0 - BASAL_LOADING**2)
    rest_right = np.sqrt(1.0 - BASAL_LOADING**2 - RV_SHARED_LOADING**2)
    basal_z, right_z = BASAL_LOADING * basal, BASAL_LOADING * basal + RV_SHARED_LOADING * right
    left = _volumes(
        _noisy(state.lv_edv, CV["lv_edv"], basal_z + rest * z_edv),
        _noisy(state.lv_esv, CV["lv_esv"], basal_z + rest * z_esv),
    )
    rv = _volumes(
        _noisy(state.rv_edv, CV["rv_edv"], right_z + rest_right * z_rv),
        _noisy(state.rv_esv, CV["rv_esv"], right_z + rest_right * z_rv_esv),
    )
    mass = _noisy(state.lv_mass, CV["lv_mass"], _mixed(BASAL_MASS_LOADING, basal, z_mass))
    output = left[2] * round(state.cmr_heart_rate) / 1000.0
    return np.array([*left, output, mass, *rv])


def _atria(state: HeartState, rng: np.random.Generator) -> Floats:
    out: list[float] = []
    for largest, smallest in ((state.la_max, state.la_min), (state.ra_max, state.ra_min)):
        shared, z_max, z_min = rng.standard_normal(3).tolist()
        out += _volumes(
            _noisy(largest, CV["atrium_max"], _mixed(ATRIUM_SHARED_LOADING, shared, z_max)),
            _noisy(smallest, CV["atrium_min"], _mixed(ATRIUM_SHARED_LOADING, shared, z_min)),
        )
    return np.array(out)


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


def _with_global(segments: Floats, rng: np.random.Generator, name: str, z_scan: float) -> Floats:
    """Measured segments and a global value near, but not equal to, their mean; the sign never changes.

    A part of every segment's error is the scan's own, so that the mean is as uncertain as GLOBAL_CV.
    """
    count = len(segments)
    # Variances: own + shared = segment, own / count + shared = global.
    own = (SEGMENT_CV[name] ** 2 - GLOBAL_CV[name] ** 2) / (1.0 - 1.0 / count)
    shared = max(GLOBAL_CV[name] ** 2 - own / count, 0.0)
    error = np.sqrt(own) * rng.standard_normal(count) + np.sqrt(shared) * z_scan
    # Minus half the variance: an error is no bias.
    local = segments * np.exp(error - (own + shared) / 2.0)
    overall = local.mean() * np.exp(GLOBAL_IS_NOT_THE_MEAN * rng.standard_normal())
    return np.append(local, overall)


def _drop_blocks(values: Floats, state: HeartState, rng: np.random.Generator) -> Floats:
    log_odds = MISSING_PER_BMI_SD * float(np.clip((state.bmi - _BMI_MEAN) / _BMI_SD, -3.0, 3.0))
    log_odds += MISSING_PER_DECADE * float(ph.decades_from_64(state.age_years))
    log_odds += MISSING_WITH_FIBRILLATION * state.atrial_fibrillation
    odds = float(np.exp(log_odds)) / _MEAN_ODDS
    chance = rng.random(len(MISSING))
    for roll, (cause, (share, lost)) in zip(chance, MISSING.items(), strict=True):
        if roll >= share * odds:
            continue
        for block in lost:
            values[BLOCKS[block]] = np.nan
        if cause == "central_pressure":
            values[list(AORTIC_DISTENSIBILITY)] = np.nan
    return values
