"""Every number the simulated people are drawn with, and where it comes from.

Marks: [S] a published value, [A] an aggregate of UK Biobank published with public code, [C] computed from the geometry
used here, [M] recalled order of magnitude, [P] a design choice. Replace [M] values from aggregate tables when possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class BySex:
    """One constant for men and one for women."""

    male: float
    female: float

    def of(self, male: Bools) -> Floats:
        """The constant for every person; shape of `male`."""
        return np.where(male, self.male, self.female)


DISEASES = ("I21", "I42", "I48", "I50")
MYOCARDIAL_DENSITY_G_PER_ML = 1.05  # [M] used by every CMR pipeline

# Covariates at the imaging visit.
MALE_SHARE = 0.48  # [S]
AGE_YEARS = (63.7, 7.7)  # [A] 63.4 +/- 7.6
AGE_LIMITS = (45.0, 82.0)
HEIGHT_CM = BySex(176.0, 163.0)  # [M]
HEIGHT_SD_CM = BySex(6.7, 6.3)
BMI = BySex(27.0, 26.0)  # [M] log-normal
BMI_SD = BySex(4.0, 4.7)
BSA_M2 = BySex(2.01, 1.75)  # [M] Mosteller
SBP_MMHG, SBP_SD = 137.8, 18.0  # [A]
SBP_PER_DECADE, SBP_MALE = 4.5, 5.0  # [M]
DBP_MMHG, DBP_SD = 82.2, 10.5  # [A]
SBP_DBP_CORRELATION = 0.70  # [A]
CENTRAL_PP_MMHG, CENTRAL_PP_SD, CENTRAL_PP_PER_DECADE = 46.0, 12.0, 5.0  # [M]
HEART_RATE_BPM = BySex(61.5, 63.0)  # [M] supine
HEART_RATE_SD = 10.0
HEART_RATE_LIMITS = (38.0, 110.0)
ECG_CMR_HEART_RATE_CORRELATION = 0.83  # [M]

# Ventricles: mean by sex; log-normal, loadings of the latent state [P].
LV_EDV_ML = BySex(166.0, 124.0)  # [M], pooled 144.1 +/- 34.4 [A]
LV_MASS_G = BySex(107.0, 73.0)  # [M], pooled 89.7 +/- 24.8 [A]
LV_EF = BySex(0.585, 0.613)  # [S]; slightly above the mean, which the logistic curve pulls down
EDV_SIZE = BySex(0.16, 0.12)
EDV_BSA_EXPONENT, EDV_PER_DECADE = 1.1, -0.045
EDV_PER_HEART_RATE_SD = -0.03  # [P] gives r about -0.28 with rate
MASS_BSA_EXPONENT, MASS_SIZE, MASS_CONCENTRIC = 1.3, 0.09, 0.13
MASS_PER_DECADE_MEN, MASS_PER_MMHG = -0.02, 0.0016
EF_CONTRACTILITY, EF_SIZE = 0.23, -0.04  # on the logit
RV_EF = BySex(0.545, 0.58)  # [M]
RV_EF_SD_LOGIT, RV_LV_EF_CORRELATION = 0.24, 0.5
RV_STROKE_SD_LOG = 0.03  # mass balance: right and left stroke volumes agree within about 5 % [M]
LV_LENGTH_MM = BySex(96.0, 88.0)  # [M]
LV_LENGTH_SD_LOG = 0.04
APEX_WALL_MM = 6.0  # [M] 5 to 7

# Atria.
LA_MAX_ML = BySex(74.0, 64.0)  # [M]
LA_CV, LA_PER_DECADE, LA_EDV_LOADING = 0.32, 0.02, 0.45
LA_EF = BySex(0.59, 0.61)  # [M]
LA_EF_SD_LOGIT, LA_EF_PER_DECADE, LA_EF_SIZE = 0.36, -0.06, -0.30
RA_MAX_ML = BySex(95.0, 70.0)  # [M] single plane
RA_CV, RA_LA_CORRELATION = 0.29, 0.55
RA_EF = BySex(0.43, 0.46)  # [M]
RA_EF_SD_LOGIT = 0.36

# Aorta: area at its maximum, distensibility in 1e-3 / mmHg (log-normal).
AAO_AREA_MM2 = BySex(880.0, 725.0)  # [M]
AAO_CV, AAO_PER_DECADE = 0.21, 0.055
DAO_AREA_MM2 = BySex(530.0, 415.0)  # [M]
DAO_CV, DAO_PER_DECADE, AORTA_AREA_CORRELATION = 0.19, 0.085, 0.55
AAO_DISTENSIBILITY = BySex(1.77, 2.10)  # [S] 8,435 people
AAO_DIST_SD_LOG, AAO_DIST_PER_DECADE = 0.60, math.log(0.72)  # [S], [M]
DAO_DISTENSIBILITY = BySex(2.4, 2.6)  # [M]
DAO_DIST_SD_LOG, DAO_DIST_PER_DECADE, DIST_CORRELATION = 0.42, math.log(0.78), 0.60
DIST_SBP_CORRELATION = -0.25  # [M]

# Segments: AHA 1..16 (no apex cap, as in the pipeline behind category 157).
THICKNESS_FACTOR = (
    np.array([1.06, 1.18, 1.22, 1.10, 1.04, 1.02, 0.94, 1.03, 1.12, 0.98, 0.93, 0.91, 0.94, 0.97, 0.92, 0.90]) / 1.016
)  # [M]
# The mid-slice wall of the half ellipsoid is thinner than the mean over all slices of a mask with whole pixels [C].
THICKNESS_PER_GEOMETRY = BySex(1.09, 1.135)
THICKNESS_SEGMENT_SD = 0.085  # [M]
WALL_ECC = {"anterior": 1.00, "septal": 0.88, "inferior": 0.98, "inferolateral": 1.08, "anterolateral": 1.10}  # [S]
WALL_ERR = {"anterior": 0.98, "septal": 0.80, "inferior": 1.05, "inferolateral": 1.15, "anterolateral": 1.15}  # [M]
LEVEL_ECC = (0.92, 1.00, 1.12)  # base, mid, apex [S]
LEVEL_ERR = (1.02, 1.00, 0.95)  # [M]
ELL_FACTOR = np.array([0.78, 0.95, 0.95, 0.95, 1.18, 1.15])  # [S] pattern
ECC_SEGMENT_SD, ERR_SEGMENT_SD, ELL_SEGMENT_SD = 2.5, 8.0, 3.0  # [M] points between persons
ECC_GLOBAL_SD = 1.8  # [P] points that geometry does not explain
ERR_PER_GEOMETRY, ERR_GLOBAL_SD = 0.73, 5.0  # [C] registration smooths thickening
ELL_PERCENT = BySex(-17.9, -19.2)  # [M]
ELL_SD, ELL_EF_CORRELATION, ELL_PER_DECADE = 2.7, 0.45, 0.4
SHORTENING_PER_ELL = 0.85  # [C] base-to-apex shortening over longitudinal strain

_MID_WALLS = ("anterior", "septal", "septal", "inferior", "inferolateral", "anterolateral")
_APICAL_WALLS = ("anterior", "septal", "inferior", "anterolateral")
SEGMENT_WALL = _MID_WALLS + _MID_WALLS + _APICAL_WALLS
SEGMENT_LEVEL = (0,) * 6 + (1,) * 6 + (2,) * 4
# 0 degrees is anterior, positive towards the septum.
SEGMENT_ANGLE_DEG = np.array([0, 60, 120, 180, 240, 300] * 2 + [0, 90, 180, 270], dtype=np.float64)


def _segment_factors(wall: dict[str, float], level: tuple[float, ...]) -> Floats:
    factors = np.array([wall[w] * level[v] for w, v in zip(SEGMENT_WALL, SEGMENT_LEVEL, strict=True)])
    return np.asarray(factors / factors.mean())


ECC_FACTOR = _segment_factors(WALL_ECC, LEVEL_ECC)
ERR_FACTOR = _segment_factors(WALL_ERR, LEVEL_ERR)

# Disease: intercepts are solved for the target prevalence; these are the slopes [C] (male, age decade, liability).
RISK_SLOPES = {"I21": (1.35, 0.55, 0.9), "I42": (0.75, 0.15, 0.5), "I48": (0.75, 0.80, 0.6), "I50": (0.35, 0.55, 0.7)}
RISK_FROM_EARLIER = {
    "I21": {},
    "I42": {},
    "I48": {"I42": 1.6, "I21": 0.5},
    "I50": {"I21": 1.9, "I42": 3.4, "I48": 1.9},
}
PREVALENCE = {"I21": 0.0223, "I42": 0.0041, "I48": 0.0390, "I50": 0.0120}  # [C] one definition: before imaging
ENRICHED_PREVALENCE = {"I21": 0.30, "I42": 0.27, "I48": 0.30, "I50": 0.30}  # [P] ever, so small splits have cases
ENRICHED_INCIDENT_SHARE = 0.2  # [P] of those, first recorded after imaging
INCIDENT_PER_YEAR = {"I21": 0.0025, "I42": 0.0004, "I48": 0.0075, "I50": 0.0030}  # [M]
YEARS_BEFORE = {"I21": 11.0, "I42": 6.0, "I48": 6.0, "I50": 4.5}  # mean of the exponential [M]
INCIDENT_EFFECT = 0.5  # [P] how much of a disease is visible before it is recorded
TERRITORIES = {"LAD": (1, 2, 7, 8, 13, 14), "RCA": (3, 4, 9, 10, 15), "LCx": (5, 6, 11, 12, 16)}
TERRITORY_SHARE = (0.42, 0.38, 0.20)  # [M]
CARDIOMYOPATHY_SHARE = {"dilated": 0.55, "hypertrophic": 0.25, "mild": 0.20}  # [P]


def logit(p: Any) -> Floats:
    """Natural log of the odds."""
    return np.asarray(np.log(p) - np.log1p(-np.asarray(p)), dtype=np.float64)


def expit(x: Any) -> Floats:
    """Inverse of :func:`logit`."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x))), dtype=np.float64)


def decades_from_64(age_years: Any) -> Floats:
    """Age as decades from 64 years, the centre of every age slope here."""
    return (np.asarray(age_years, dtype=np.float64) - 64.0) / 10.0
