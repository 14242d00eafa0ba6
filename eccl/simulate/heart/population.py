"""Draw a population's latent states, all people at once: covariates, ventricles, atria, aorta; later visits, too."""

from __future__ import annotations

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.disease import (
    apply_disease,
    draw_conduction,
    draw_disease,
    draw_incident,
    waste_by_bundle_block,
)
from eccl.simulate.heart.physiology import Columns, Floats
from eccl.simulate.heart.state import ELECTRICAL_LATENTS, WallGeometry, wall_geometry


def draw_columns(rng: np.random.Generator, count: int, *, enriched: bool) -> Columns:
    """Draw `count` people; every HeartState field is a column, and so are onset years and disease kinds.

    ``onset_I21`` and its like hold years from the imaging visit to the first record (negative: before; NaN: never).
    """
    columns = _draw_covariates(rng, count)
    columns |= draw_disease(rng, columns, enriched=enriched)
    columns |= _draw_treatment(rng, columns)
    columns |= _draw_ventricles(rng, columns)
    columns |= _draw_atria(rng, columns)
    columns |= _draw_aorta(rng, columns)
    columns["electrical"] = rng.standard_normal((count, len(ELECTRICAL_LATENTS)))
    apply_disease(rng, columns)
    columns |= draw_conduction(rng, columns)
    waste_by_bundle_block(columns)
    derive_volumes(columns)
    columns |= draw_wall_residuals(rng, count)
    derive_wall(columns)
    if not enriched:
        draw_incident(rng, columns)
    return columns


def _lognormal(mean: Floats | float, cv: float, z: Floats) -> Floats:
    sd = np.sqrt(np.log1p(cv**2))
    return np.asarray(mean * np.exp(sd * z - sd**2 / 2.0))


def _mixed(correlation: float, z: Floats, own: Floats) -> Floats:
    """A standard normal with a given correlation to `z`."""
    return np.asarray(correlation * z + np.sqrt(1.0 - correlation**2) * own)


def _draw_covariates(rng: np.random.Generator, count: int) -> Columns:
    male = rng.random(count) < ph.MALE_SHARE
    age = np.clip(rng.normal(*ph.AGE_YEARS, count), *ph.AGE_LIMITS)
    decade = ph.decades_from_64(age)
    liability = rng.standard_normal(count)
    height = ph.HEIGHT_CM.of(male) + ph.HEIGHT_SD_CM.of(male) * rng.standard_normal(count)
    bmi_sd = np.sqrt(np.log1p((ph.BMI_SD.of(male) / ph.BMI.of(male)) ** 2))
    bmi = ph.BMI.of(male) * np.exp(bmi_sd * rng.standard_normal(count) - bmi_sd**2 / 2.0)
    z_sbp, z_dbp, z_pp, z_rate, z_rate_cmr = rng.standard_normal((5, count))
    sbp = ph.SBP_MMHG + ph.SBP_SD * z_sbp + ph.SBP_PER_DECADE * decade + ph.SBP_MALE * (male - ph.MALE_SHARE)
    sbp += ph.LIABILITY_SBP_MMHG * liability
    dbp = ph.DBP_MMHG + ph.DBP_SD * _mixed(ph.SBP_DBP_CORRELATION, z_sbp, z_dbp)
    dbp += ph.DBP_PER_DECADE * np.maximum(decade + 0.4, 0.0)
    pulse = ph.CENTRAL_PP_MMHG + ph.CENTRAL_PP_SD * _mixed(ph.PP_SBP_CORRELATION, z_sbp, z_pp)
    pulse += ph.CENTRAL_PP_PER_DECADE * decade + ph.CENTRAL_PP_OLDER_WOMEN * (~male & (age > 60.0))
    z_rate_cmr = _mixed(ph.ECG_CMR_HEART_RATE_CORRELATION, z_rate, z_rate_cmr)
    sd, rate = ph.HEART_RATE_SD_LOG, ph.HEART_RATE_BPM.of(male)
    return {
        "male": male,
        "age_years": age,
        "height_cm": height,
        "weight_kg": bmi * (height / 100.0) ** 2,
        "sbp": np.clip(sbp, 85.0, 230.0),
        "dbp": np.clip(np.minimum(dbp, sbp - 15.0), 45.0, 130.0),
        "central_pp": np.clip(pulse, *ph.CENTRAL_PP_LIMITS),
        "z_rate": z_rate,
        "heart_rate": rate * np.exp(sd * z_rate - sd**2 / 2.0),
        "cmr_heart_rate": rate * np.exp(sd * z_rate_cmr - sd**2 / 2.0),
        "liability": liability,
        "size": rng.standard_normal(count),
        "concentricity": rng.standard_normal(count) + ph.LIABILITY_CONCENTRIC * liability,
        "contractility": rng.standard_normal(count),
        "follow_up_years": _draw_follow_up(rng, age),
    }


def _draw_follow_up(rng: np.random.Generator, age_years: Floats) -> Floats:
    """Years from imaging to the end of the records, such that everybody was 40 to 69 when recruited in 2006 to 2010."""
    shortest, longest = ph.FOLLOW_UP_YEARS
    low = np.maximum(shortest, ph.RECORDS_AFTER_RECRUITMENT_YEARS[0] + ph.RECRUITMENT_AGE[0] - age_years)
    high = np.minimum(longest, ph.RECORDS_AFTER_RECRUITMENT_YEARS[1] + ph.RECRUITMENT_AGE[1] - age_years)
    return np.asarray(low + (high - low) * rng.random(len(age_years)))


def _draw_treatment(rng: np.random.Generator, c: Columns) -> Columns:
    """Hypertension, diabetes and beta blockers; the last slow the heart."""
    bmi = c["weight_kg"] / (c["height_cm"] / 100.0) ** 2
    hypertension = ph.HYPERTENSION_INTERCEPT + ph.HYPERTENSION_PER_SBP_SD * (c["sbp"] - ph.SBP_MMHG) / 19.3
    hypertension += ph.HYPERTENSION_PER_DECADE * ph.decades_from_64(c["age_years"])
    treated = rng.random((3, len(bmi)))
    has_hypertension = treated[0] < ph.expit(hypertension)
    blocker = ph.BETA_BLOCKER_INTERCEPT + ph.BETA_BLOCKER_HYPERTENSION * has_hypertension
    blocker = blocker + ph.BETA_BLOCKER_DISEASE * (sum(c[f"effect_{code}"] > 0 for code in ph.DISEASES) > 0)
    blocker = blocker + ph.BETA_BLOCKER_INFARCT * (c["effect_I21"] > 0)
    diabetes = ph.DIABETES_INTERCEPT + ph.DIABETES_PER_BMI_UNIT * (bmi - 26.5)
    return {
        "hypertension": has_hypertension,
        "diabetes": treated[1] < ph.expit(diabetes),
        "beta_blocker": treated[2] < ph.expit(blocker),
    }


def _draw_ventricles(rng: np.random.Generator, c: Columns) -> Columns:
    male, decade, count = c["male"], ph.decades_from_64(c["age_years"]), len(c["male"])
    bsa = np.log(np.sqrt(c["height_cm"] * c["weight_kg"] / 3600.0) / ph.BSA_M2.of(male))
    sized = ph.EDV_BSA_EXPONENT * bsa + ph.EDV_SIZE.of(male) * c["size"]
    log_edv = sized + ph.EDV_PER_DECADE * decade + ph.EDV_PER_HEART_RATE_SD * c["z_rate"]
    log_mass = ph.MASS_BSA_EXPONENT * bsa + ph.MASS_SIZE.of(male) * c["size"]
    log_mass += ph.MASS_CONCENTRIC.of(male) * c["concentricity"] + ph.MASS_PER_DECADE.of(male) * decade
    log_mass += ph.MASS_PER_MMHG * (c["sbp"] - ph.SBP_MMHG)
    lv_logit = ph.EF_CONTRACTILITY.of(male) * c["contractility"] + ph.EF_SIZE * c["size"]
    z_rv = _mixed(ph.RV_LV_EF_CORRELATION, c["contractility"], rng.standard_normal(count))
    slower = ph.HEART_RATE_PER_EF_SD * c["contractility"] + ph.BETA_BLOCKER_BPM * c["beta_blocker"]
    # Half the variance of the logarithms comes off, so that the constants are means.
    return {
        "lv_edv": ph.LV_EDV_ML.of(male) * np.exp(log_edv - 0.018),
        "lv_mass": ph.LV_MASS_G.of(male) * np.exp(log_mass - 0.018),
        "lv_ef": ph.expit(ph.logit(ph.LV_EF.of(male)) + lv_logit),
        "rv_ef": ph.expit(ph.logit(ph.RV_EF.of(male)) + ph.RV_EF_SD_LOGIT * z_rv + ph.RV_EF_PER_DECADE * decade),
        "rv_stroke_ratio": np.exp(ph.RV_STROKE_SD_LOG * rng.standard_normal(count)),
        "z_sized": sized / 0.175,
        "heart_rate": c["heart_rate"] + slower,
        "cmr_heart_rate": c["cmr_heart_rate"] + slower,
    }


def _draw_atria(rng: np.random.Generator, c: Columns) -> Columns:
    male, decade = c["male"], ph.decades_from_64(c["age_years"])
    z_la, z_la_ef, z_ra, z_ra_ef = rng.standard_normal((4, len(male)))
    z_la = _mixed(ph.LA_SIZE_LOADING, c["z_sized"], z_la)
    z_ra = _mixed(ph.RA_LA_CORRELATION, z_la, z_ra)
    la_logit = ph.LA_EF_SD_LOGIT * _mixed(ph.LA_EF_SIZE, z_la, z_la_ef) + ph.LA_EF_PER_DECADE * decade
    ra_logit = ph.RA_EF_SD_LOGIT * _mixed(ph.RA_EF_SIZE, z_ra, z_ra_ef) + ph.RA_EF_PER_DECADE * decade
    return {
        "la_max": _lognormal(ph.LA_MAX_ML.of(male) * np.exp(ph.LA_PER_DECADE * decade), ph.LA_CV, z_la),
        "la_ef": ph.expit(ph.logit(ph.LA_EF.of(male)) + la_logit),
        "ra_max": _lognormal(ph.RA_MAX_ML.of(male) * np.exp(ph.RA_PER_DECADE * decade), ph.RA_CV, z_ra),
        "ra_ef": ph.expit(ph.logit(ph.RA_EF.of(male)) + ra_logit),
    }


def _draw_aorta(rng: np.random.Generator, c: Columns) -> Columns:
    male, decade = c["male"], ph.decades_from_64(c["age_years"])
    z_area, z_area_down, z_dist, z_dist_down = rng.standard_normal((4, len(male)))
    z_area_down = _mixed(ph.AORTA_AREA_CORRELATION, z_area, z_area_down)
    # Shared liability stiffens, and so does pressure beyond what age and sex explain of it.
    z_sbp = c["sbp"] - ph.SBP_MMHG - ph.SBP_PER_DECADE * decade - ph.SBP_MALE * (male - ph.MALE_SHARE)
    loadings = np.array([ph.DIST_SBP_LOADING, ph.DIST_LIABILITY_LOADING])
    z_dist = np.sqrt(1.0 - (loadings**2).sum()) * z_dist + loadings[0] * z_sbp / 18.4 + loadings[1] * c["liability"]
    z_dist_down = _mixed(ph.DIST_CORRELATION, z_dist, z_dist_down)

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


def age_columns(c: Columns, years: Floats, rng: np.random.Generator) -> Columns:
    """The same people some years later: slow drift of size and stiffness, and what changes from day to day.

    Parameters
    ----------
    c
        Columns of :func:`draw_columns`; left as they are.
    years
        From the first visit to the later one, (count,).

    Returns
    -------
    Columns
        Wall, strain and volumes follow from the aged state, so every identity still holds. Onsets keep counting from
        the first visit.
    """
    decade, male, count = years / 10.0, c["male"], len(years)
    out = dict(c)

    def drift(name: str, per_decade: Floats | float, day_sd_log: float) -> None:
        out[name] = c[name] * np.exp(per_decade * decade + day_sd_log * rng.standard_normal(count))

    drift("lv_edv", ph.EDV_PER_DECADE, ph.DAY_SD_LOG["lv_edv"])
    drift("lv_mass", ph.MASS_PER_DECADE.of(male), ph.DAY_SD_LOG["lv_mass"])
    drift("la_max", ph.LA_PER_DECADE, ph.DAY_SD_LOG["la_max"])
    drift("ra_max", ph.RA_PER_DECADE, ph.DAY_SD_LOG["ra_max"])
    drift("weight_kg", 0.0, ph.DAY_SD_LOG["weight_kg"])
    for name, slope in (
        ("aao_area", ph.AAO_PER_DECADE),
        ("dao_area", ph.DAO_PER_DECADE),
        ("aao_distensibility", ph.AAO_DIST_PER_DECADE),
        ("dao_distensibility", ph.DAO_DIST_PER_DECADE),
    ):
        drift(name, slope, 0.0)
    rate = np.exp(ph.DAY_SD_LOG["heart_rate"] * rng.standard_normal(count))
    for name in ("heart_rate", "cmr_heart_rate"):
        out[name] = c[name] * rate
    for name in ("lv_ef", "rv_ef", "la_ef", "ra_ef"):
        out[name] = c[name] + ph.DAY_SD_EF * rng.standard_normal(count)
    later = c["sbp"] + ph.SBP_PER_DECADE * decade + ph.DAY_SD_SBP * rng.standard_normal(count)
    out["sbp"] = np.clip(later, 85.0, 230.0)
    out["dbp"] = np.minimum(c["dbp"], out["sbp"] - 15.0)
    out["age_years"] = c["age_years"] + years
    # Electrodes are placed again and the heart has a slightly different position.
    r = ph.ELECTRICAL_REPEAT
    out["electrical"] = r * c["electrical"] + np.sqrt(1.0 - r**2) * rng.standard_normal(c["electrical"].shape)
    derive_volumes(out)
    derive_wall(out)
    return out


def _field_root() -> Floats:
    """Root (16, 16) of the correlation between segments' residuals: neighbours share a part of them."""
    ring = [6, 6, 4]
    place = [(level, 360.0 * i / ring[level]) for level in range(3) for i in range(ring[level])]
    steps = np.array([[abs(a - b) + min(abs(u - v), 360.0 - abs(u - v)) / 60.0 for b, v in place] for a, u in place])
    # Cholesky's root is unique; eigenvectors would differ between builds of LAPACK, and with them the cohort.
    return np.asarray(np.linalg.cholesky(ph.NEIGHBOUR_CORRELATION**steps))


FIELD_ROOT = _field_root()


def draw_wall_residuals(rng: np.random.Generator, count: int) -> Columns:
    """What geometry does not explain of wall and strain: standard normals per person, and fields over the segments.

    A later visit of the same person keeps them.
    """
    fields = rng.standard_normal((3, count, 16)) @ FIELD_ROOT.T
    return {
        "wall_field": fields[0],
        "ecc_field": fields[1],
        "err_field": fields[2],
        "ell_field": rng.standard_normal((count, 6)),
        "z_length": rng.standard_normal(count),
        "z_ell": rng.standard_normal(count),
        "z_ecc": rng.standard_normal(count),
        "z_err": rng.standard_normal(count),
    }


def derive_wall(c: Columns) -> None:
    """Set length, shortening, wall thickness and the three strains from volumes, mass and residuals, in place."""
    ell = _longitudinal(c)
    length = ph.LV_LENGTH_MM.of(c["male"]) * np.cbrt(c["lv_edv"] / ph.LV_EDV_ML.of(c["male"]))
    length = length * np.exp(ph.LV_LENGTH_SD_LOG * c["z_length"])
    usual = ph.ELL_PERCENT.of(c["male"])
    shortening = -(ph.SHORTENING_PER_ELL * usual + ph.SHORTENING_PER_ELL_BETWEEN * (ell - usual)) / 100.0
    # A long-axis shortening larger than the cavity can bear would make the mid slice widen in systole.
    shortening = np.minimum(np.maximum(shortening, 0.02), 0.4 * c["lv_ef"])
    geometry = wall_geometry(c["lv_edv"], c["lv_esv"], c["lv_mass"], length, shortening)
    ecc, ecc_segments = _circumferential(c, geometry)
    c["lv_length"] = length
    c["shortening"] = shortening
    c["geometric_ecc"] = geometry.circumferential_strain
    c["wall_thickness"] = _thickness(c, geometry)
    c["err"] = _radial(c, geometry, ecc, ecc_segments)
    c["ecc"] = np.minimum(ecc_segments, -1.0) * (1.0 - ph.SCAR_ECC_LOSS * c["scar"])
    ell_segments = ell[:, None] * ph.ELL_FACTOR + ph.ELL_SEGMENT_SD * c["ell_field"]
    c["ell"] = np.minimum(ell_segments, -0.5)


def _longitudinal(c: Columns) -> Floats:
    z_ef = (c["lv_ef"] - ph.LV_EF.of(c["male"])) / 0.050
    r = ph.ELL_EF_CORRELATION
    ell = ph.ELL_PERCENT.of(c["male"]) + ph.ELL_PER_DECADE * ph.decades_from_64(c["age_years"])
    ell = ell + ph.ELL_SD * (-r * z_ef + np.sqrt(1 - r**2) * c["z_ell"])
    return np.asarray(np.clip(ell * np.where(c["hypertrophic"], ph.HYPERTROPHIC_ELL, 1.0), -28.0, -3.0))


def _thickness(c: Columns, geometry: WallGeometry) -> Floats:
    whole = geometry.epi_ed - geometry.endo_ed + ph.THICKNESS_DILATION_MM
    local = ph.THICKNESS_FACTOR * np.exp(ph.THICKNESS_SEGMENT_SD * c["wall_field"])
    local = local * (1.0 - ph.SCAR_THINNING * c["scar"]) * c["septal_hypertrophy"]
    return np.asarray(whole[:, None] * local / local.mean(axis=1, keepdims=True))


def _circumferential(c: Columns, geometry: WallGeometry) -> tuple[Floats, Floats]:
    """Global (count,) and segmental (count, 16) strain without scar."""
    ecc = geometry.circumferential_strain + ph.ECC_GLOBAL_SD * c["z_ecc"]
    pattern = np.tile(ph.ECC_FACTOR, (len(ecc), 1))
    left_block = c["conduction"] == "lbbb"
    pattern[np.ix_(left_block, np.array(ph.SEPTAL_SEGMENTS) - 1)] *= ph.LBBB_SEPTAL_ECC
    pattern[np.ix_(left_block, np.array(ph.LATERAL_SEGMENTS) - 1)] *= ph.LBBB_LATERAL_ECC
    return ecc, ecc[:, None] * pattern + ph.ECC_SEGMENT_SD * c["ecc_field"]


def _radial(c: Columns, geometry: WallGeometry, ecc: Floats, ecc_segments: Floats) -> Floats:
    """Radial strain follows thickening, and in a segment its own circumferential shortening."""
    more = np.clip(ecc / np.minimum(geometry.circumferential_strain, -2.0) - 1.0, -0.8, 1.5)
    err = ph.ERR_PER_GEOMETRY.of(c["male"]) * geometry.thickening * (1.0 + ph.ERR_PER_ECC * more)
    err = err + ph.ERR_GLOBAL_SD * c["z_err"] + ph.ERR_PER_DECADE * ph.decades_from_64(c["age_years"])
    err = np.maximum(err, 6.0)
    own = np.clip(ecc_segments / (np.minimum(ecc, -2.0)[:, None] * ph.ECC_FACTOR) - 1.0, -0.8, 1.5)
    segments = err[:, None] * ph.ERR_FACTOR * (1.0 + ph.ERR_PER_ECC * own) + ph.ERR_SEGMENT_SD * c["err_field"]
    return np.asarray(np.maximum(segments, 1.0) * (1.0 - ph.SCAR_ERR_LOSS * c["scar"]))
