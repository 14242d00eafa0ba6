"""A cohort of simulated people: ids, visits with dates, and the state of the heart at each visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from eccl.simulate import physiology as ph
from eccl.simulate.config import SimulationConfig
from eccl.simulate.heart import HeartState, from_columns
from eccl.simulate.population import draw_columns

FIRST_EID = 9_000_000
EID_SPAN = 900_000
IMAGING_INSTANCE, REPEAT_INSTANCE = 2, 3
CENTRES = (11025, 11026, 11027)  # coding 10: Cheadle, Reading, Newcastle (imaging)
FIRST_IMAGING, LAST_IMAGING = date(2014, 5, 1), date(2022, 12, 1)

# Streams of randomness: one per purpose and person, so that neither order nor workers can change a byte.
STREAM_COHORT, STREAM_PERSON, STREAM_PLAN = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One imaging visit and the state of the heart on that day."""

    instance: int
    day: date
    state: HeartState
    has_ecg: bool
    has_cine: bool


@dataclass(frozen=True, slots=True, eq=False)
class Participant:
    """One simulated person; `onset_years` counts from the imaging visit (negative: before it)."""

    index: int
    eid: int
    birth: date
    baseline: date
    centre: int
    visits: tuple[Visit, ...]
    onset_years: dict[str, float]
    liability: float

    @property
    def imaging(self) -> Visit:
        return self.visits[0]


def person_rng(config: SimulationConfig, index: int, purpose: int) -> np.random.Generator:
    """The random stream of one person for one purpose; independent of every other."""
    sequence = np.random.SeedSequence(config.seed, spawn_key=(STREAM_PERSON, index, purpose))
    return np.random.default_rng(sequence)


def draw_cohort(config: SimulationConfig) -> tuple[Participant, ...]:
    """Draw every participant of a configuration, in a fixed order.

    Returns
    -------
    tuple of Participant
        As many as ``config.participants``; ids are distinct and at least 9,000,000.
    """
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(STREAM_COHORT,)))
    count = config.participants
    columns = draw_columns(rng, count, enriched=config.disease_enrichment)
    offsets = rng.choice(max(EID_SPAN, 2 * count), size=count, replace=False)
    returning = _exact_share(rng, count, config.second_visit_share)
    missing_ecg = _exact_share(rng, count, config.missing_ecg_share)
    missing_cine = _exact_share(rng, count, config.missing_cine_share)
    people = []
    for index in range(count):
        state = from_columns(columns, index)
        day = _random_day(rng, FIRST_IMAGING, LAST_IMAGING)
        visits = [Visit(IMAGING_INSTANCE, day, state, not missing_ecg[index], not missing_cine[index])]
        gap_years = float(rng.uniform(2.0, 4.0))
        aged = age_state(state, gap_years, rng)
        if returning[index]:
            later = day + timedelta(days=round(365.25 * gap_years))
            ecg, cine = rng.random(2) >= (config.missing_ecg_share, config.missing_cine_share)
            visits.append(Visit(REPEAT_INSTANCE, later, aged, bool(ecg), bool(cine)))
        people.append(
            Participant(
                index=index,
                eid=FIRST_EID + int(offsets[index]),
                birth=_first_of_month(day - timedelta(days=round(365.25 * state.age_years))),
                baseline=_random_day(rng, date(2006, 4, 1), date(2010, 9, 30)),
                centre=int(rng.choice(CENTRES)),
                visits=tuple(visits),
                onset_years={
                    code: float(columns[f"onset_{code}"][index])
                    for code in ph.DISEASES
                    if np.isfinite(columns[f"onset_{code}"][index])
                },
                liability=float(columns["liability"][index]),
            )
        )
    return tuple(people)


def age_state(state: HeartState, years: float, rng: np.random.Generator) -> HeartState:
    """The same heart some years later: slow drift of size and stiffness, day-to-day change of the rest [M]."""
    decade = years / 10.0

    def wobble(sd_log: float) -> float:
        return float(np.exp(sd_log * rng.standard_normal()))

    edv = state.lv_edv * np.exp(ph.EDV_PER_DECADE * decade) * wobble(0.03)
    ef = float(np.clip(state.lv_ef + 0.015 * rng.standard_normal(), 0.12, 0.84))
    stroke_ratio = (state.rv_edv - state.rv_esv) / (state.lv_edv - state.lv_esv)
    rv_ef = float(np.clip(1.0 - state.rv_esv / state.rv_edv + 0.015 * rng.standard_normal(), 0.12, 0.84))
    rv_edv = edv * ef * stroke_ratio / rv_ef
    la_max = state.la_max * np.exp(ph.LA_PER_DECADE * decade) * wobble(0.04)
    ra_max = state.ra_max * wobble(0.05)
    rate = float(np.clip(state.heart_rate * wobble(0.08), *ph.HEART_RATE_LIMITS))
    return replace(
        state,
        age_years=state.age_years + years,
        weight_kg=state.weight_kg * wobble(0.02),
        sbp=float(np.clip(state.sbp + 8.0 * rng.standard_normal() + ph.SBP_PER_DECADE * decade, 85.0, 230.0)),
        heart_rate=rate,
        cmr_heart_rate=float(np.clip(rate * state.cmr_heart_rate / state.heart_rate, *ph.HEART_RATE_LIMITS)),
        lv_edv=edv,
        lv_esv=edv * (1.0 - ef),
        lv_mass=state.lv_mass * np.exp(ph.MASS_PER_DECADE_MEN * state.male * decade) * wobble(0.02),
        rv_edv=rv_edv,
        rv_esv=rv_edv * (1.0 - rv_ef),
        la_max=la_max,
        la_min=la_max * state.la_min / state.la_max,
        ra_max=ra_max,
        ra_min=ra_max * state.ra_min / state.ra_max,
        aao_area=state.aao_area * np.exp(ph.AAO_PER_DECADE * decade),
        dao_area=state.dao_area * np.exp(ph.DAO_PER_DECADE * decade),
        aao_distensibility=state.aao_distensibility * np.exp(ph.AAO_DIST_PER_DECADE * decade),
        dao_distensibility=state.dao_distensibility * np.exp(ph.DAO_DIST_PER_DECADE * decade),
    )


def _exact_share(rng: np.random.Generator, count: int, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the nearest whole number of people, at random."""
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[rng.permutation(count)[: round(share * count)]] = True
    return chosen


def _random_day(rng: np.random.Generator, first: date, last: date) -> date:
    day = first + timedelta(days=int(rng.integers((last - first).days)))
    # Assessment centres are closed on Sundays.
    return day + timedelta(days=1) if day.weekday() == 6 else day


def _first_of_month(day: date) -> date:
    return day.replace(day=1)
