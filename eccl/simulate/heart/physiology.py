"""Every number the simulated people are drawn with, and where it comes from.

Marks: [S] a published value, [A] an aggregate of UK Biobank published with public code, [C] computed from the geometry
used here, [M] recalled order of magnitude, [P] a design choice. Replace [M] values from aggregate tables when possible.
Published standard deviations hold for *measured* values: the loadings below leave room for the error of a scan.
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
DBP_PER_DECADE = -1.0  # [M]
LIABILITY_SBP_MMHG = 4.0  # [C] the liability shared by the diseases raises pressure
CENTRAL_PP_MMHG, CENTRAL_PP_SD, CENTRAL_PP_PER_DECADE = 46.0, 12.0, 5.0  # [M]
CENTRAL_PP_OLDER_WOMEN, CENTRAL_PP_LIMITS = 2.0, (18.0, 110.0)  # [M] above 60 years
PP_SBP_CORRELATION = 0.55  # [P]
HEART_RATE_BPM = BySex(61.5, 63.0)  # [M] supine
HEART_RATE_SD_LOG = 0.155  # [M] 10 beats per minute
HEART_RATE_PER_EF_SD, BETA_BLOCKER_BPM = -1.5, -8.0  # [P], [M]
# Treatment: hypertension 27 to 30 %, diabetes 5 to 6 %, beta blocker 6 % [M]; logistic in pressure, age, weight and
# disease, the intercepts solved for those shares [C], the slopes [P].
HYPERTENSION_INTERCEPT, HYPERTENSION_PER_SBP_SD, HYPERTENSION_PER_DECADE = -1.12, 1.1, 0.35
DIABETES_INTERCEPT, DIABETES_PER_BMI_UNIT = -3.00, 0.12
BETA_BLOCKER_INTERCEPT, BETA_BLOCKER_HYPERTENSION = -3.73, 1.2
BETA_BLOCKER_DISEASE, BETA_BLOCKER_INFARCT = 1.5, 3.0  # three of four after an infarction
HEART_RATE_LIMITS = (38.0, 110.0)
ECG_CMR_HEART_RATE_CORRELATION = 0.83  # [M]

# Ventricles: mean by sex; log-normal, loadings of the latent state [P].
LV_EDV_ML = BySex(166.0, 124.0)  # [M], pooled 144.1 +/- 34.4 [A]
LV_MASS_G = BySex(107.0, 73.0)  # [M], pooled 89.7 +/- 24.8 [A]
LV_EF = BySex(0.584, 0.611)  # [S] 58 and 61 %; the diseases take the rest away
EDV_SIZE = BySex(0.142, 0.119)
EDV_BSA_EXPONENT, EDV_PER_DECADE = 1.05, -0.043
EDV_PER_HEART_RATE_SD = -0.050  # [P] gives r about -0.28 with rate
MASS_BSA_EXPONENT, MASS_SIZE = 1.2, BySex(0.090, 0.085)
MASS_CONCENTRIC = BySex(0.105, 0.088)
MASS_PER_DECADE, MASS_PER_MMHG = BySex(-0.031, -0.009), 0.0016
LIABILITY_CONCENTRIC = 0.15  # [C]
EF_CONTRACTILITY, EF_SIZE = BySex(0.195, 0.185), -0.04  # on the logit
RV_EF = BySex(0.548, 0.583)  # [M]
RV_EF_SD_LOGIT, RV_LV_EF_CORRELATION, RV_EF_PER_DECADE = 0.190, 0.75, 0.025
RV_STROKE_SD_LOG = 0.02  # mass balance: right and left stroke volumes agree within about 5 % [M]
LV_LENGTH_MM = BySex(96.0, 88.0)  # [M]
LV_LENGTH_SD_LOG = 0.04
APEX_WALL_MM = 6.0  # [M] 5 to 7

# Atria.
LA_MAX_ML = BySex(72.8, 63.2)  # [M] 74 and 64 with the diseases
LA_CV, LA_PER_DECADE, LA_SIZE_LOADING = 0.30, 0.014, 0.52
LA_EF = BySex(0.600, 0.620)  # [M]
LA_EF_SD_LOGIT, LA_EF_PER_DECADE, LA_EF_SIZE = 0.26, -0.045, -0.50
RA_MAX_ML = BySex(94.5, 69.7)  # [M] single plane
RA_CV, RA_LA_CORRELATION, RA_PER_DECADE = 0.275, 0.62, 0.013
RA_EF = BySex(0.432, 0.462)  # [M]
RA_EF_SD_LOGIT, RA_EF_PER_DECADE, RA_EF_SIZE = 0.23, -0.02, -0.20

# Aorta: area at its maximum, distensibility in 1e-3 / mmHg (log-normal; standard deviations of the log without error).
AAO_AREA_MM2 = BySex(880.0, 725.0)  # [M]
AAO_CV, AAO_PER_DECADE = 0.21, 0.055
DAO_AREA_MM2 = BySex(530.0, 415.0)  # [M]
DAO_CV, DAO_PER_DECADE, AORTA_AREA_CORRELATION = 0.185, 0.085, 0.56
AAO_DISTENSIBILITY = BySex(1.75, 2.07)  # [S] 1.77 and 2.10 in 8,435 people, error of the scan included
AAO_DIST_SD_LOG, AAO_DIST_PER_DECADE = 0.55, math.log(0.72)  # [S], [M]
DAO_DISTENSIBILITY = BySex(2.38, 2.58)  # [M]
DAO_DIST_SD_LOG, DAO_DIST_PER_DECADE, DIST_CORRELATION = 0.39, math.log(0.78), 0.76
DIST_SBP_LOADING, DIST_LIABILITY_LOADING = -0.26, -0.20  # [M], [C]

# Segments: AHA 1..16 (no apex cap, as in the pipeline behind category 157).
THICKNESS_FACTOR = (
    np.array([1.06, 1.18, 1.22, 1.10, 1.04, 1.02, 0.94, 1.03, 1.12, 0.98, 0.93, 0.91, 0.94, 0.97, 0.92, 0.90]) / 1.016
)  # [M]
# A mask's wall is wider than the half ellipsoid's by about a third of a pixel [P]. This reconciles two factors
# of the literature notes (1.0 and 1.12 times geometry) with the published means of 6.3 and 5.3 mm.
THICKNESS_DILATION_MM = 0.55
THICKNESS_SEGMENT_SD = np.array([0.08, 0.10, 0.10, 0.08, 0.08, 0.08] + [0.08] * 6 + [0.11] * 4)  # [M]
WALL_ECC = {"anterior": 1.00, "septal": 0.88, "inferior": 0.98, "inferolateral": 1.08, "anterolateral": 1.10}  # [S]
WALL_ERR = {"anterior": 0.98, "septal": 0.80, "inferior": 1.05, "inferolateral": 1.15, "anterolateral": 1.15}  # [M]
LEVEL_ECC = (0.92, 1.00, 1.12)  # base, mid, apex [S]
LEVEL_ERR = (1.02, 1.00, 0.95)  # [M]
ELL_FACTOR = np.array([0.78, 0.95, 0.95, 0.95, 1.18, 1.15])  # [S] pattern
ECC_SEGMENT_SD, ELL_SEGMENT_SD = 2.5, 3.0  # [M] points between persons
ERR_SEGMENT_SD = 6.9  # [C] 8 points with the part that follows the segment's own Ecc
NEIGHBOUR_CORRELATION = 0.3  # [P] of a segment's residual with those beside, above and below
ECC_GLOBAL_SD = 0.9  # [P] points that geometry does not explain
# [C] registration smooths thickening; [M] slope with age and the part that follows a segment's own shortening [P].
ERR_PER_GEOMETRY, ERR_GLOBAL_SD, ERR_PER_DECADE, ERR_PER_ECC = BySex(0.775, 0.725), 3.0, 1.6, 0.8
ELL_PERCENT = BySex(-17.9, -19.2)  # [M]
ELL_SD, ELL_EF_CORRELATION, ELL_PER_DECADE = 2.35, 0.62, 0.4
SHORTENING_PER_ELL = 0.85  # [C] base-to-apex shortening over longitudinal strain, at the mean of each sex
SHORTENING_PER_ELL_BETWEEN = 0.45  # [P] between persons: the base's descent varies less than the strain
SCAR_THINNING, SCAR_ECC_LOSS, SCAR_ERR_LOSS = 0.35, 0.9, 0.8  # [P] per share of a segment
# Left bundle branch block wastes the septum's work and loads the lateral wall [M].
LBBB_SEPTAL_ECC, LBBB_LATERAL_ECC, LBBB_EF_LOSS = 0.6, 1.15, 0.06
SEPTAL_SEGMENTS, LATERAL_SEGMENTS = (2, 3, 8, 9, 14), (5, 6, 11, 12, 16)

# Conduction and rhythm: shares among people without the condition named [M].
WEAK_EF, WEAK_RV_EF = 0.40, 0.45
LBBB_SHARE, LBBB_SHARE_WEAK, LBBB_SHARE_FAILURE = 0.0052, 0.18, 0.08
RBBB_SHARE, RBBB_SHARE_WEAK_RV = 0.023, 0.06  # also with heart failure
INCOMPLETE_RBBB_SHARE, INCOMPLETE_RBBB_SHARE_WEAK_RV = 0.015, 0.06
ANTERIOR_FASCICULAR_SHARE = 0.025
AV_BLOCK_SHARE = 0.020  # first degree beyond the tail of normal PR intervals

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

# Between two visits of a person: how much changes without age [M]; intraclass correlations are about .93 for volume
# and mass and .65 for ejection fraction once the errors of both scans are added.
DAY_SD_LOG = {
    "lv_edv": 0.03,
    "lv_mass": 0.02,
    "la_max": 0.05,
    "ra_max": 0.05,
    "weight_kg": 0.025,
    "heart_rate": 0.08,
}
DAY_SD_EF, DAY_SD_SBP = 0.015, 8.0
ELECTRICAL_REPEAT = 0.92  # [P] correlation of the ECG's own latents

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
INCIDENT_PER_LIABILITY = 0.4  # [M] on the log of the hazard
# Log hazard ratios per standard deviation of the state: left atrium 1.47, its ejection fraction .64, LV mass over
# volume 1.27, ejection fraction for heart failure [S], the last [P].
INCIDENT_PER_STATE = {
    "I21": {"la_ef": math.log(0.87), "mass_ratio": math.log(1.27)},
    "I42": {"lv_ef": -0.3},
    "I48": {"la_max": math.log(1.47), "la_ef": math.log(0.64)},
    "I50": {"lv_ef": -0.3, "la_ef": -0.2},
}
RECRUITMENT_AGE = (40.1, 69.9)  # [S] UK Biobank invited people of 40 to 69
RECORDS_AFTER_RECRUITMENT_YEARS = (14.1, 18.3)  # from recruitment between 2006 and 2010 to the end of the records
FOLLOW_UP_YEARS = (1.8, 9.9)  # [M] from imaging between 2014 and 2022 to the end of the records
# Mean of the exponential before imaging [M]: medians of about 8, 5, 5 and 3.5 years. (A median of 9 years and a rate of
# .09 a year for infarction cannot both hold; the mean is between.)
YEARS_BEFORE = {"I21": 12.0, "I42": 7.2, "I48": 7.2, "I50": 5.0}
FIRST_ONSET_AGE = 35.0
INCIDENT_EFFECT = 0.5  # [P] of an enriched cohort: how much of a disease is visible before it is recorded
TERRITORIES = {"LAD": (1, 2, 7, 8, 13, 14), "RCA": (3, 4, 9, 10, 15), "LCx": (5, 6, 11, 12, 16)}
HYPERTROPHIC_ELL = 0.7  # [P]
TERRITORY_SHARE = (0.42, 0.38, 0.20)  # [M]
REDUCED_EF_SHARE, PERSISTENT_AF_SHARE = 0.42, 0.30  # [P] of heart failure, of atrial fibrillation
IN_FIBRILLATION = {"persistent": 0.6, "paroxysmal": 0.05}  # [P] on the tracing: a fifth to a quarter of all [M]
FIBRILLATION_RATE_BPM = (78.0, 13.0)  # treated [M]
ANEURYSM_SHARE = 0.05  # of infarctions; anterior ones here [M]
SEPTAL_HYPERTROPHY = 0.45  # [P] on top of the mass, so that the septum is about 1.8 times as thick
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
