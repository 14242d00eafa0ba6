"""The simulated population has the marginals, correlations and prevalences of the sources named in physiology.py."""

from __future__ import annotations

import numpy as np
import pytest

from eccl.simulate import HeartState, SimulationConfig, draw_cohort
from eccl.simulate.heart.contours import slice_contours
from eccl.simulate.heart.physiology import DISEASES, MYOCARDIAL_DENSITY_G_PER_ML, PREVALENCE, Columns
from eccl.simulate.heart.population import age_columns, draw_columns
from eccl.simulate.heart.state import cavity_radius, wall_geometry
from tests.support.heart_measures import blood_area_mm2, plain_beat, wall_area_mm2


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize(
    ("name", "sex", "mean", "sd"),
    [
        ("lv_edv", 1, 166, 32),
        ("lv_edv", 0, 124, 22),
        ("lv_edv", None, 144, 34.4),
        ("lv_esv", None, 59.6, 21.2),
        ("lv_mass", None, 89.7, 24.8),
        ("la_max", 1, 74, 24),
        ("la_max", 0, 64, 20),
    ],
)
def test_marginals(natural: Columns, name: str, sex: int | None, mean: float, sd: float) -> None:
    values = natural[name] if sex is None else natural[name][natural["male"] == sex]
    assert values.mean() == pytest.approx(mean, rel=0.04)
    assert values.std() == pytest.approx(sd, rel=0.13)


def test_ejection_fraction_by_sex_and_age(natural: Columns) -> None:
    male, ef = natural["male"], 100 * natural["lv_ef"]
    assert ef[male].mean() == pytest.approx(58, abs=1)
    assert ef[~male].mean() == pytest.approx(61, abs=1)
    slope = np.polyfit(natural["age_years"] / 10, ef - np.where(male, ef[male].mean(), ef[~male].mean()), 1)[0]
    assert abs(slope) < 0.7  # diseases of age pull a little; healthy hearts do not change


def test_signs_and_orders(natural: Columns) -> None:
    assert (natural["ecc"] < 0).all()
    assert (natural["ell"] < 0).all()
    assert (natural["err"] > 0).all()
    for larger, smaller in (("lv_edv", "lv_esv"), ("rv_edv", "rv_esv"), ("la_max", "la_min"), ("ra_max", "ra_min")):
        assert (natural[larger] > natural[smaller]).all()
    right, left = natural["rv_edv"] - natural["rv_esv"], natural["lv_edv"] - natural["lv_esv"]
    assert (right / left).mean() == pytest.approx(1.0, abs=0.03)
    assert correlation(right, left) > 0.85


def test_prevalences_and_effects(natural: Columns) -> None:
    for code in DISEASES:
        before = natural[f"onset_{code}"] < 0
        assert before.mean() == pytest.approx(PREVALENCE[code], abs=0.0005)
    infarct = natural["onset_I21"] < 0
    assert infarct[natural["male"]].mean() > 2.5 * infarct[~natural["male"]].mean()
    assert natural["lv_ef"][infarct].mean() < natural["lv_ef"][~infarct].mean() - 0.04
    assert natural["age_years"][infarct].mean() > natural["age_years"][~infarct].mean() + 1.5
    fibrillation = natural["onset_I48"] < 0
    assert natural["la_max"][fibrillation].mean() > 1.15 * natural["la_max"][~fibrillation].mean()
    assert 0.004 < natural["atrial_fibrillation"].mean() < 0.015
    septal = natural["wall_thickness"][:, [1, 2, 7, 8]].mean(axis=1) / natural["wall_thickness"].mean(axis=1)
    assert septal[natural["hypertrophic"]].mean() > 1.2 * septal[~natural["hypertrophic"]].mean()
    assert (natural["scar"][natural["effect_I21"] == 0] == 0).all()


def test_enrichment_gives_every_disease_to_a_quarter_of_a_small_cohort() -> None:
    people = draw_cohort(SimulationConfig(participants=64))
    for code in DISEASES:
        assert 0.22 <= np.mean([code in person.onset_years for person in people]) <= 0.38


def test_ids_are_distinct_and_outside_the_real_range() -> None:
    eids = [person.eid for person in draw_cohort(SimulationConfig(participants=300))]
    assert len(set(eids)) == 300
    assert min(eids) >= 9_000_000
    assert eids != sorted(eids)


def test_seeds_decide() -> None:
    first, again, other = (draw_cohort(SimulationConfig(participants=5, seed=s)) for s in (1, 1, 2))
    assert [p.imaging.state.lv_edv for p in first] == [p.imaging.state.lv_edv for p in again]
    assert [p.imaging.state.lv_edv for p in first] != [p.imaging.state.lv_edv for p in other]


def test_a_second_visit_is_the_same_heart_later() -> None:
    rng = np.random.default_rng(0)
    first = draw_columns(rng, 4000, enriched=False)
    years = np.full(4000, 10.0)
    later = age_columns(first, years, rng)
    assert (later["age_years"] == first["age_years"] + 10.0).all()
    assert correlation(first["lv_edv"], later["lv_edv"]) > 0.95
    assert correlation(first["wall_thickness"].mean(axis=1), later["wall_thickness"].mean(axis=1)) > 0.9
    assert correlation(first["ecc"].mean(axis=1), later["ecc"].mean(axis=1)) > 0.8
    assert (first["scar"] == later["scar"]).all()
    # Volumes of the later visit obey what volumes obey, and a decade does what a decade does between people.
    assert later["lv_edv"] * (1 - later["lv_ef"]) == pytest.approx(later["lv_esv"])
    assert np.median(later["lv_edv"] / first["lv_edv"]) == pytest.approx(np.exp(-0.043), abs=0.01)
    assert np.median(later["aao_distensibility"] / first["aao_distensibility"]) == pytest.approx(0.72, abs=0.01)
    assert (later["sbp"] - first["sbp"]).mean() == pytest.approx(4.5, abs=0.7)


@pytest.mark.parametrize(
    ("edv", "esv", "mass", "length", "shortening", "ecc"),
    [(166, 70, 103, 96, 0.15, -21.8), (124, 48, 70, 88, 0.16, -24.0), (260, 180, 130, 108, 0.08, -10.4)],
)
def test_geometry_gives_the_strain_of_worked_examples(
    edv: float, esv: float, mass: float, length: float, shortening: float, ecc: float
) -> None:
    assert wall_geometry(edv, esv, mass, length, shortening).circumferential_strain == pytest.approx(ecc, abs=0.6)


def test_wall_mass_is_conserved_over_the_cycle(states: list[HeartState]) -> None:
    state = states[0]
    empty = np.linspace(0.0, 1.0, 6)
    depths = np.arange(0.25, 130.0, 0.5)
    stack = [slice_contours(state, plain_beat(empty), depth) for depth in depths]
    # Above the moving base the level is clipped to 0: those planes show atrium and are left out.
    wall_mm3 = sum(np.where(plane.level > 0, wall_area_mm2(plane), 0.0) * 0.5 for plane in stack)
    expected = state.lv_mass / MYOCARDIAL_DENSITY_G_PER_ML * 1000.0
    assert wall_mm3 == pytest.approx(np.full(6, expected), rel=0.03)


def test_mid_slice_area_follows_the_volume(states: list[HeartState]) -> None:
    for state in states[:20]:
        plane = slice_contours(state, plain_beat(np.array([0.0, 1.0])), 0.5 * state.lv_length)
        assert blood_area_mm2(plane)[0] == pytest.approx(
            np.pi * cavity_radius(state.lv_edv, state.lv_length) ** 2, rel=0.02
        )
        assert blood_area_mm2(plane)[1] < blood_area_mm2(plane)[0]


def test_everybody_was_of_recruitment_age_when_recruited() -> None:
    # The gate refuses birth years and ages that UK Biobank cannot have.
    for person in draw_cohort(SimulationConfig(participants=2000, seed=5)):
        age = (person.baseline - person.birth).days / 365.25
        assert 40 <= age < 70
        assert 1936 <= person.birth.year <= 1970
        assert person.baseline < person.imaging.day
        assert abs((person.imaging.day - person.birth).days / 365.25 - person.imaging.state.age_years) < 0.2
