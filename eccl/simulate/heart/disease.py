"""Who has which disease, since when, and what it does to the heart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Bools, Columns, Floats


def draw_disease(rng: np.random.Generator, c: Columns, *, enriched: bool) -> Columns:
    """Draw the onset of each disease and its kind.

    Returns columns ``onset_<code>`` (years from the imaging visit, NaN without), ``effect_<code>`` (0 to 1),
    ``cardiomyopathy``, ``reduced_ef``, ``persistent_af`` and ``territory``.
    """
    count = len(c["male"])
    out: Columns = {}
    for code in ph.DISEASES:
        target = ph.ENRICHED_PREVALENCE[code] if enriched else ph.PREVALENCE[code]
        case = _draw_cases(rng, _risk(c, out, code), target)
        later = case & (rng.random(count) < (ph.ENRICHED_INCIDENT_SHARE if enriched else 0.0))
        out[f"onset_{code}"] = _draw_onset(rng, c, case, later, ph.YEARS_BEFORE[code])
        out[f"effect_{code}"] = np.where(case, np.where(later, ph.INCIDENT_EFFECT, 1.0), 0.0)
    kinds = tuple(ph.CARDIOMYOPATHY_SHARE)
    drawn = rng.choice(len(kinds), size=count, p=list(ph.CARDIOMYOPATHY_SHARE.values()))
    out["cardiomyopathy"] = np.where(out["effect_I42"] > 0, np.array(kinds)[drawn], "none")
    out["reduced_ef"] = rng.random(count) < ph.REDUCED_EF_SHARE
    out["persistent_af"] = rng.random(count) < ph.PERSISTENT_AF_SHARE
    out["territory"] = rng.choice(np.array(list(ph.TERRITORIES)), size=count, p=ph.TERRITORY_SHARE)
    return out


def _risk(c: Columns, earlier: Columns, code: str) -> Floats:
    male, decade, liability = ph.RISK_SLOPES[code]
    risk = male * c["male"] + decade * ph.decades_from_64(c["age_years"]) + liability * c["liability"]
    for other, weight in ph.RISK_FROM_EARLIER[code].items():
        risk = risk + weight * (earlier[f"effect_{other}"] > 0)
    return np.asarray(risk, dtype=np.float64)


def _draw_cases(rng: np.random.Generator, risk: Floats, prevalence: float) -> Bools:
    """Draw cases with the logistic risk whose intercept gives the prevalence in this very population."""
    intercept = brentq(lambda b: float(ph.expit(b + risk).mean()) - prevalence, -40.0, 40.0)
    order = rng.permutation(len(risk))
    # Systematic sampling: the number of cases differs from its expectation by less than one.
    cumulative = np.cumsum(ph.expit(intercept + risk)[order]) + rng.random()
    chosen = np.diff(np.floor(cumulative), prepend=0.0) > 0
    case = np.zeros(len(risk), dtype=np.bool_)
    case[order] = chosen
    return case


def _draw_onset(rng: np.random.Generator, c: Columns, case: Bools, later: Bools, mean_years: float) -> Floats:
    count = len(case)
    before = np.clip(rng.exponential(mean_years, count), 0.15, c["age_years"] - ph.FIRST_ONSET_AGE)
    after = rng.uniform(0.1, c["follow_up_years"] - 0.1)
    return np.where(case, np.where(later, after, -before), np.nan)


def draw_incident(rng: np.random.Generator, c: Columns) -> None:
    """Add first records after the imaging visit of a natural cohort, in place.

    Nothing of a later disease is in the state; the state (and the shared liability) raises the hazard instead, as in
    follow-up studies of atrial size and ventricular mass.
    """
    male, count = c["male"], len(c["male"])
    z = {
        "la_max": np.log(c["la_max"] / ph.LA_MAX_ML.of(male)) / 0.31,
        "la_ef": (c["la_ef"] - ph.LA_EF.of(male)) / 0.08,
        "lv_ef": (c["lv_ef"] - ph.LV_EF.of(male)) / 0.05,
        "mass_ratio": np.log(c["lv_mass"] / c["lv_edv"] * (ph.LV_EDV_ML.of(male) / ph.LV_MASS_G.of(male))) / 0.165,
    }
    decade = ph.decades_from_64(c["age_years"])
    for code in ph.DISEASES:
        log_ratio = ph.INCIDENT_PER_LIABILITY * c["liability"] + ph.RISK_SLOPES[code][1] * decade
        for name, weight in ph.INCIDENT_PER_STATE[code].items():
            log_ratio = log_ratio + weight * np.clip(z[name], -3.0, 3.0)
        ratio = np.exp(log_ratio)
        free = np.isnan(c[f"onset_{code}"])
        hazard = ph.INCIDENT_PER_YEAR[code] * ratio / ratio[free].mean()
        onset = rng.exponential(1.0, count) / hazard
        c[f"onset_{code}"] = np.where(free & (onset < c["follow_up_years"]), onset, c[f"onset_{code}"])


def apply_disease(rng: np.random.Generator, c: Columns) -> None:
    """Change the drawn state by the diseases, in place; adds scar, septal hypertrophy and the rhythm."""
    count = len(c["male"])
    infarct, myopathy, fibrillation, failure = (c[f"effect_{code}"] for code in ph.DISEASES)
    c["scar"] = _draw_scar(rng, c["territory"], infarct)
    c["aneurysm"] = (infarct == 1.0) & (rng.random(count) < ph.ANEURYSM_SHARE) & (c["territory"] == "LAD")
    c["lv_edv"] *= 1.0 + 0.08 * infarct
    c["lv_ef"] -= infarct * np.clip(rng.normal(0.06, 0.06, count), -0.03, 0.25)
    c["la_max"] *= 1.0 + 0.06 * infarct

    persistent = c["persistent_af"]
    c["la_max"] *= 1.0 + fibrillation * np.where(persistent, 0.45, 0.12)
    c["ra_max"] *= 1.0 + 0.15 * fibrillation
    c["la_ef"] -= fibrillation * np.where(persistent, 0.20, 0.05)
    c["lv_ef"] -= 0.02 * fibrillation
    c["heart_rate"] += 3.0 * fibrillation

    _apply_cardiomyopathy(rng, c, myopathy)
    _apply_failure(rng, c, failure)

    prevalent = (c["onset_I48"] < 0) & (fibrillation > 0)
    share = np.where(persistent, ph.IN_FIBRILLATION["persistent"], ph.IN_FIBRILLATION["paroxysmal"])
    in_af = prevalent & (rng.random(count) < share)
    c["atrial_fibrillation"] = in_af
    fast = np.clip(rng.normal(*ph.FIBRILLATION_RATE_BPM, count), 50.0, 110.0)
    for rate in ("heart_rate", "cmr_heart_rate"):
        c[rate] = np.where(in_af, fast, c[rate])


def _draw_scar(rng: np.random.Generator, territory: NDArray[np.str_], effect: Floats) -> Floats:
    count = len(effect)
    inside = np.zeros((count, 16), dtype=np.bool_)
    for name, segments in ph.TERRITORIES.items():
        inside[np.ix_(territory == name, np.array(segments) - 1)] = True
    extent = np.clip(rng.gamma(1.3, 0.28, count), 0.05, 1.0)
    # Transmurality goes with extent: a large scar is a thick one, and only such a scar shows as a Q wave.
    hit = rng.random((count, 16)) < 0.15 + 0.85 * extent[:, None]
    local = rng.beta(3.0, 2.0, (count, 16)) * (0.45 + 0.9 * extent[:, None])
    return np.clip(inside * hit * local * effect[:, None], 0.0, 1.0)


def _apply_cardiomyopathy(rng: np.random.Generator, c: Columns, effect: Floats) -> None:
    count = len(effect)
    dilated = effect * (c["cardiomyopathy"] == "dilated")
    thick = effect * (c["cardiomyopathy"] == "hypertrophic")
    mild = effect * (c["cardiomyopathy"] == "mild")
    _pull_ef(c, dilated, rng.normal(0.42, 0.09, count))
    c["lv_edv"] *= 1.0 + 0.35 * dilated
    c["lv_mass"] *= 1.0 + 0.15 * dilated + 0.45 * thick
    c["la_max"] *= 1.0 + 0.20 * dilated + 0.25 * thick
    c["lv_ef"] += 0.03 * thick - 0.03 * mild
    c["hypertrophic"] = thick > 0
    septal = np.ones((count, 16))
    septal[:, [1, 2, 7, 8]] += ph.SEPTAL_HYPERTROPHY * thick[:, None]
    c["septal_hypertrophy"] = septal


def _apply_failure(rng: np.random.Generator, c: Columns, effect: Floats) -> None:
    count = len(effect)
    # The weak heart of a dilated cardiomyopathy is not made weak a second time.
    fresh = effect * (c["cardiomyopathy"] != "dilated")
    reduced, preserved = fresh * c["reduced_ef"], effect * ~c["reduced_ef"]
    _pull_ef(c, reduced, rng.normal(0.38, 0.08, count))
    c["lv_edv"] *= 1.0 + 0.35 * reduced
    _pull_ef(c, preserved * (c["cardiomyopathy"] != "dilated"), rng.normal(0.54, 0.06, count))
    c["la_max"] *= 1.0 + 0.30 * preserved + 0.15 * reduced
    c["la_ef"] -= 0.09 * effect
    c["lv_mass"] *= 1.0 + 0.10 * preserved
    c["rv_ef"] -= 0.05 * effect
    c["heart_rate"] += 4.0 * effect


def _pull_ef(c: Columns, effect: Floats, target: Floats) -> None:
    """Move the ejection fraction towards a disease's level, never upwards."""
    c["lv_ef"] += effect * (np.minimum(target, c["lv_ef"]) - c["lv_ef"])


def draw_conduction(rng: np.random.Generator, c: Columns) -> Columns:
    """Blocks: left bundle with a weak or dilated heart, right with a weak right ventricle; fascicle and AV node."""
    weak = (c["lv_ef"] < ph.WEAK_EF) | (c["cardiomyopathy"] == "dilated")
    weak_right = c["rv_ef"] < ph.WEAK_RV_EF
    count = len(weak)
    failing = c["effect_I50"] > 0
    left_share = np.where(failing, ph.LBBB_SHARE_FAILURE, ph.LBBB_SHARE)
    left = rng.random(count) < np.where(weak, ph.LBBB_SHARE_WEAK, left_share)
    right = rng.random(count) < np.where(weak_right | failing, ph.RBBB_SHARE_WEAK_RV, ph.RBBB_SHARE)
    incomplete = rng.random(count) < np.where(weak_right, ph.INCOMPLETE_RBBB_SHARE_WEAK_RV, ph.INCOMPLETE_RBBB_SHARE)
    fascicle, node = rng.random((2, count))
    return {
        "conduction": np.where(left, "lbbb", np.where(right, "rbbb", "normal")),
        "incomplete_rbbb": incomplete & ~left & ~right,
        "anterior_fascicular_block": (fascicle < ph.ANTERIOR_FASCICULAR_SHARE) & ~left,
        "av_block": node < ph.AV_BLOCK_SHARE,
    }


def waste_by_bundle_block(c: Columns) -> None:
    """A left bundle branch block costs ejection fraction, in place; a heart that is weak already less."""
    loss = ph.LBBB_EF_LOSS * np.clip((c["lv_ef"] - 0.25) / 0.30, 0.0, 1.0)
    c["lv_ef"] = c["lv_ef"] - np.where(c["conduction"] == "lbbb", loss, 0.0)
