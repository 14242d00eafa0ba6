"""Who has which disease, since when, and what it does to the heart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from eccl.simulate import physiology as ph
from eccl.simulate.physiology import Bools, Columns, Floats


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
        hazard = ph.INCIDENT_PER_YEAR[code] * 4.5 * np.exp(0.4 * c["liability"])
        share = np.where(case, ph.ENRICHED_INCIDENT_SHARE, 0.0) if enriched else np.where(case, 0.0, hazard)
        later = rng.random(count) < share
        out[f"onset_{code}"] = _draw_onset(rng, c, case | later, later, ph.YEARS_BEFORE[code])
        out[f"effect_{code}"] = np.where(case | later, np.where(later, ph.INCIDENT_EFFECT, 1.0), 0.0)
    kinds = tuple(ph.CARDIOMYOPATHY_SHARE)
    drawn = rng.choice(len(kinds), size=count, p=list(ph.CARDIOMYOPATHY_SHARE.values()))
    out["cardiomyopathy"] = np.where(out["effect_I42"] > 0, np.array(kinds)[drawn], "none")
    out["reduced_ef"] = rng.random(count) < 0.40  # of heart failure [P]
    out["persistent_af"] = rng.random(count) < 0.30  # of atrial fibrillation [P]
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
    before = np.clip(rng.exponential(mean_years, count), 0.15, c["age_years"] - 35.0)
    after = rng.uniform(0.1, 6.0, count)
    return np.where(case, np.where(later, after, -before), np.nan)


def apply_disease(rng: np.random.Generator, c: Columns) -> None:
    """Change the drawn state by the diseases, in place; adds scar, septal hypertrophy and the rhythm."""
    count = len(c["male"])
    infarct, myopathy, fibrillation, failure = (c[f"effect_{code}"] for code in ph.DISEASES)
    c["scar"] = _draw_scar(rng, c["territory"], infarct)
    c["lv_edv"] *= 1.0 + 0.08 * infarct
    c["lv_ef"] -= infarct * np.clip(rng.normal(0.06, 0.04, count), 0.0, 0.2)
    c["la_max"] *= 1.0 + 0.06 * infarct
    c["heart_rate"] -= 6.0 * infarct  # beta blocker

    persistent = c["persistent_af"]
    c["la_max"] *= 1.0 + fibrillation * np.where(persistent, 0.45, 0.12)
    c["ra_max"] *= 1.0 + 0.15 * fibrillation
    c["la_ef"] -= fibrillation * np.where(persistent, 0.20, 0.05)
    c["lv_ef"] -= 0.02 * fibrillation
    c["heart_rate"] += 3.0 * fibrillation

    _apply_cardiomyopathy(rng, c, myopathy)
    _apply_failure(rng, c, failure)

    prevalent = (c["onset_I48"] < 0) & (fibrillation > 0)
    in_af = prevalent & (rng.random(count) < np.where(persistent, 0.6, 0.05))
    c["atrial_fibrillation"] = in_af
    fast = np.clip(rng.normal(78.0, 13.0, count), 50.0, 110.0)  # treated [M]
    for rate in ("heart_rate", "cmr_heart_rate"):
        c[rate] = np.where(in_af, fast, c[rate])


def _draw_scar(rng: np.random.Generator, territory: NDArray[np.str_], effect: Floats) -> Floats:
    count = len(effect)
    inside = np.zeros((count, 16), dtype=np.bool_)
    for name, segments in ph.TERRITORIES.items():
        inside[np.ix_(territory == name, np.array(segments) - 1)] = True
    extent = np.clip(rng.gamma(1.3, 0.28, count), 0.05, 1.0)  # mean .36 of the territory: about 8 +/- 7 % of the wall
    hit = rng.random((count, 16)) < 0.35 + 0.6 * extent[:, None]
    local = rng.beta(2.0, 2.0, (count, 16)) * (0.4 + extent[:, None])
    return np.clip(inside * hit * local * effect[:, None], 0.0, 1.0)


def _apply_cardiomyopathy(rng: np.random.Generator, c: Columns, effect: Floats) -> None:
    count = len(effect)
    dilated = effect * (c["cardiomyopathy"] == "dilated")
    thick = effect * (c["cardiomyopathy"] == "hypertrophic")
    mild = effect * (c["cardiomyopathy"] == "mild")
    _pull_ef(c, dilated, rng.normal(0.42, 0.08, count))
    c["lv_edv"] *= 1.0 + 0.35 * dilated
    c["lv_mass"] *= 1.0 + 0.15 * dilated + 0.45 * thick
    c["la_max"] *= 1.0 + 0.20 * dilated + 0.25 * thick
    c["lv_ef"] += 0.03 * thick - 0.03 * mild
    c["hypertrophic"] = thick > 0
    septal = np.ones((count, 16))
    septal[:, [1, 2, 7, 8]] += 0.8 * thick[:, None]
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
    """Bundle branch blocks: left with a weak or dilated heart, right with a weak right ventricle [M]."""
    weak = (c["lv_ef"] < 0.40) | (c["cardiomyopathy"] == "dilated")
    left = rng.random(len(weak)) < np.where(weak, 0.18, 0.006)
    right = rng.random(len(weak)) < np.where(c["rv_ef"] < 0.45, 0.06, 0.025)
    return {"conduction": np.where(left, "lbbb", np.where(right, "rbbb", "normal"))}
