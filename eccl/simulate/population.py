"""Draw a population's latent states, all people at once: covariates, ventricles, atria, aorta, wall and strain."""

from __future__ import annotations

import numpy as np

from eccl.simulate import physiology as ph
from eccl.simulate.disease import apply_disease, draw_conduction, draw_disease
from eccl.simulate.heart import ELECTRICAL_LATENTS, wall_geometry
from eccl.simulate.physiology import Columns, Floats


def draw_columns(rng: np.random.Generator, count: int, *, enriched: bool) -> Columns:
    """Draw `count` people; every HeartState field is a column, and so are onset years and disease kinds.

    ``onset_I21`` and its like hold years from the imaging visit to the first record (negative: before; NaN: never).
    """
    columns = _draw_covariates(rng, count)
    columns |= draw_disease(rng, columns, enriched=enriched)
    columns |= _draw_ventricles(rng, columns)
    columns |= _draw_atria(rng, columns)
    columns |= _draw_aorta(rng, columns)
    columns["electrical"] = rng.standard_normal((count, len(ELECTRICAL_LATENTS)))
    apply_disease(rng, columns)
    derive_volumes(columns)
    columns |= _draw_wall(rng, columns)
    columns |= draw_conduction(rng, columns)
    return columns


def _lognormal(mean: Floats | float, cv: float, z: Floats) -> Floats:
    sd = np.sqrt(np.log1p(cv**2))
    return np.asarray(mean * np.exp(sd * z - sd**2 / 2.0))


def _draw_covariates(rng: np.random.Generator, count: int) -> Columns:
    male = rng.random(count) < ph.MALE_SHARE
    age = np.clip(rng.normal(*ph.AGE_YEARS, count), *ph.AGE_LIMITS)
    decade = ph.decades_from_64(age)
    liability = rng.standard_normal(count)
    height = ph.HEIGHT_CM.of(male) + ph.HEIGHT_SD_CM.of(male) * rng.standard_normal(count)
    bmi_sd = np.sqrt(np.log1p((ph.BMI_SD.of(male) / ph.BMI.of(male)) ** 2))
    bmi = ph.BMI.of(male) * np.exp(bmi_sd * rng.standard_normal(count) - bmi_sd**2 / 2.0)
    z_sbp = rng.standard_normal(count)
    sbp = ph.SBP_MMHG + ph.SBP_SD * z_sbp + ph.SBP_PER_DECADE * decade + ph.SBP_MALE * (male - ph.MALE_SHARE)
    sbp += 4.0 * liability  # shared cardiovascular liability [P]
    r = ph.SBP_DBP_CORRELATION
    dbp = ph.DBP_MMHG + ph.DBP_SD * (r * z_sbp + np.sqrt(1 - r**2) * rng.standard_normal(count)) - decade
    z_rate, z_rate_cmr = rng.standard_normal((2, count))
    r = ph.ECG_CMR_HEART_RATE_CORRELATION
    return {
        "male": male,
        "age_years": age,
        "height_cm": height,
        "weight_kg": bmi * (height / 100.0) ** 2,
        "sbp": np.clip(sbp, 85.0, 230.0),
        "dbp": np.clip(np.minimum(dbp, sbp - 15.0), 45.0, 130.0),
        "central_pp": np.clip(
            ph.CENTRAL_PP_MMHG + ph.CENTRAL_PP_PER_DECADE * decade + ph.CENTRAL_PP_SD * rng.standard_normal(count),
            18.0,
            110.0,
        ),
        "z_rate": z_rate,
        "heart_rate": ph.HEART_RATE_BPM.of(male) * np.exp(0.155 * z_rate - 0.012),
        "cmr_heart_rate": ph.HEART_RATE_BPM.of(male)
        * np.exp(0.155 * (r * z_rate + np.sqrt(1 - r**2) * z_rate_cmr) - 0.012),
        "liability": liability,
        "size": rng.standard_normal(count),
        "concentricity": rng.standard_normal(count) + 0.15 * liability,
        "contractility": rng.standard_normal(count),
    }


def _draw_ventricles(rng: np.random.Generator, c: Columns) -> Columns:
    male, decade, count = c["male"], ph.decades_from_64(c["age_years"]), len(c["male"])
    bsa = np.sqrt(c["height_cm"] * c["weight_kg"] / 3600.0) / ph.BSA_M2.of(male)
    log_edv = ph.EDV_BSA_EXPONENT * np.log(bsa) + ph.EDV_SIZE.of(male) * c["size"] + ph.EDV_PER_DECADE * decade
    log_edv += ph.EDV_PER_HEART_RATE_SD * c["z_rate"] - 0.018  # minus half the variance of the log
    log_mass = ph.MASS_BSA_EXPONENT * np.log(bsa) + ph.MASS_SIZE * c["size"] + ph.MASS_CONCENTRIC * c["concentricity"]
    log_mass += ph.MASS_PER_DECADE_MEN * male * decade + ph.MASS_PER_MMHG * (c["sbp"] - ph.SBP_MMHG) - 0.020
    lv_logit = ph.EF_CONTRACTILITY * c["contractility"] + ph.EF_SIZE * c["size"]
    r = ph.RV_LV_EF_CORRELATION
    z_rv = r * c["contractility"] + np.sqrt(1 - r**2) * rng.standard_normal(count)
    return {
        "lv_edv": ph.LV_EDV_ML.of(male) * np.exp(log_edv),
        "lv_mass": ph.LV_MASS_G.of(male) * np.exp(log_mass),
        "lv_ef": ph.expit(ph.logit(ph.LV_EF.of(male)) + lv_logit),
        "rv_ef": ph.expit(ph.logit(ph.RV_EF.of(male)) + ph.RV_EF_SD_LOGIT * z_rv + 0.02 * decade),
        "rv_stroke_ratio": np.exp(ph.RV_STROKE_SD_LOG * rng.standard_normal(count)),
        "z_edv": (log_edv + 0.018) / 0.19,
        "z_length": rng.standard_normal(count),
    }


def _draw_atria(rng: np.random.Generator, c: Columns) -> Columns:
    male, decade = c["male"], ph.decades_from_64(c["age_years"])
    z_la, z_la_ef, z_ra, z_ra_ef = rng.standard_normal((4, len(male)))
    z_la = ph.LA_EDV_LOADING * c["z_edv"] + np.sqrt(1 - ph.LA_EDV_LOADING**2) * z_la
    r = ph.RA_LA_CORRELATION
    z_ra = r * z_la + np.sqrt(1 - r**2) * z_ra
    la_logit = ph.LA_EF_SD_LOGIT * (ph.LA_EF_SIZE * z_la + 0.95 * z_la_ef) + ph.LA_EF_PER_DECADE * decade
    return {
        "la_max": _lognormal(ph.LA_MAX_ML.of(male) * np.exp(ph.LA_PER_DECADE * decade), ph.LA_CV, z_la),
        "la_ef": ph.expit(ph.logit(ph.LA_EF.of(male)) + la_logit),
        "ra_max": _lognormal(ph.RA_MAX_ML.of(male), ph.RA_CV, z_ra),
        "ra_ef": ph.expit(ph.logit(ph.RA_EF.of(male)) + ph.RA_EF_SD_LOGIT * z_ra_ef),
    }


def _draw_aorta(rng: np.random.Generator, c: Columns) -> Columns:
    male, decade = c["male"], ph.decades_from_64(c["age_years"])
    z_area, z_area_down, z_dist, z_dist_down = rng.standard_normal((4, len(male)))
    r = ph.AORTA_AREA_CORRELATION
    z_area_down = r * z_area + np.sqrt(1 - r**2) * z_area_down
    # Shared liability stiffens, and so does pressure.
    z_sbp = (c["sbp"] - ph.SBP_MMHG) / 19.3
    z_dist = ph.DIST_SBP_CORRELATION * z_sbp - 0.15 * c["liability"] + 0.93 * z_dist
    r = ph.DIST_CORRELATION
    z_dist_down = r * z_dist + np.sqrt(1 - r**2) * z_dist_down

    def distensibility(mean: ph.BySex, sd_log: float, slope: float, z: Floats) -> Floats:
        age_sd = slope * ph.AGE_YEARS[1] / 10.0
        residual = np.sqrt(sd_log**2 - age_sd**2)
        return np.asarray(mean.of(male) * np.exp(slope * decade + residual * z - sd_log**2 / 2.0))

    return {
        "aao_area": _lognormal(ph.AAO_AREA_MM2.of(male) * np.exp(ph.AAO_PER_DECADE * decade), ph.AAO_CV, z_area),
        "dao_area": _lognormal(ph.DAO_AREA_MM2.of(male) * np.exp(ph.DAO_PER_DECADE * decade), ph.DAO_CV, z_area_down),
        "aao_distensibility": distensibility(ph.AAO_DISTENSIBILITY, ph.AAO_DIST_SD_LOG, ph.AAO_DIST_PER_DECADE, z_dist),
        "dao_distensibility": distensibility(
            ph.DAO_DISTENSIBILITY, ph.DAO_DIST_SD_LOG, ph.DAO_DIST_PER_DECADE, z_dist_down
        ),
    }


def derive_volumes(c: Columns) -> None:
    """Set the volumes that follow from ejection fractions, in place; bounds keep every ordering strict."""
    c["heart_rate"] = np.clip(c["heart_rate"], *ph.HEART_RATE_LIMITS)
    c["cmr_heart_rate"] = np.clip(c["cmr_heart_rate"], *ph.HEART_RATE_LIMITS)
    for name, low, high in (("lv_ef", 0.15, 0.82), ("rv_ef", 0.15, 0.80), ("la_ef", 0.06, 0.85), ("ra_ef", 0.06, 0.80)):
        c[name] = np.clip(c[name], low, high)
    c["lv_esv"] = c["lv_edv"] * (1.0 - c["lv_ef"])
    c["rv_edv"] = (c["lv_edv"] - c["lv_esv"]) * c["rv_stroke_ratio"] / c["rv_ef"]
    c["rv_esv"] = c["rv_edv"] * (1.0 - c["rv_ef"])
    c["la_min"] = c["la_max"] * (1.0 - c["la_ef"])
    c["ra_min"] = c["ra_max"] * (1.0 - c["ra_ef"])


def _draw_wall(rng: np.random.Generator, c: Columns) -> Columns:
    """Wall thickness and strain: what the geometry gives, plus residual fields per person and segment."""
    male, count = c["male"], len(c["male"])
    z_ef = (c["lv_ef"] - ph.LV_EF.of(male)) / 0.056
    r = ph.ELL_EF_CORRELATION
    z_ell = -r * z_ef + np.sqrt(1 - r**2) * rng.standard_normal(count)
    decade = ph.decades_from_64(c["age_years"])
    ell = ph.ELL_PERCENT.of(male) + ph.ELL_SD * z_ell + ph.ELL_PER_DECADE * decade
    ell = np.clip(ell * np.where(c["hypertrophic"], 0.7, 1.0), -28.0, -3.0)
    length = ph.LV_LENGTH_MM.of(male) * np.cbrt(c["lv_edv"] / ph.LV_EDV_ML.of(male))
    length = length * np.exp(ph.LV_LENGTH_SD_LOG * c["z_length"])
    # A long-axis shortening larger than the cavity can bear would make the mid slice widen in systole.
    shortening = np.minimum(-ph.SHORTENING_PER_ELL * ell / 100.0, 0.4 * c["lv_ef"])
    geometry = wall_geometry(c["lv_edv"], c["lv_esv"], c["lv_mass"], length, shortening)
    scar = c["scar"]

    thickness = (geometry.epi_ed - geometry.endo_ed) * ph.THICKNESS_PER_GEOMETRY.of(male)
    local = ph.THICKNESS_FACTOR * np.exp(ph.THICKNESS_SEGMENT_SD * rng.standard_normal((count, 16)))
    local = local * (1.0 - 0.35 * scar) * c["septal_hypertrophy"]
    local = local / local.mean(axis=1, keepdims=True)

    ecc = geometry.circumferential_strain + ph.ECC_GLOBAL_SD * rng.standard_normal(count)
    ecc_segments = ecc[:, None] * ph.ECC_FACTOR + ph.ECC_SEGMENT_SD * rng.standard_normal((count, 16))
    err = np.maximum(ph.ERR_PER_GEOMETRY * geometry.thickening + ph.ERR_GLOBAL_SD * rng.standard_normal(count), 6.0)
    err_segments = err[:, None] * ph.ERR_FACTOR + ph.ERR_SEGMENT_SD * rng.standard_normal((count, 16))
    ell_segments = ell[:, None] * ph.ELL_FACTOR + ph.ELL_SEGMENT_SD * rng.standard_normal((count, 6))
    return {
        "lv_length": length,
        "shortening": shortening,
        "geometric_ecc": geometry.circumferential_strain,
        "wall_thickness": thickness[:, None] * local,
        "ecc": np.minimum(ecc_segments, -1.0) * (1.0 - 0.9 * scar),
        "err": np.maximum(err_segments, 1.0) * (1.0 - 0.8 * scar),
        "ell": np.minimum(ell_segments, -0.5),
    }
