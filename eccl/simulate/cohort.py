"""A simulated cohort: participants, their visits, the state of the heart at each, and the fate of their files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.corruption import Modality, PlannedCorruption, plan_corruptions
from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.population import age_columns, draw_columns
from eccl.simulate.heart.state import HeartState, from_columns

FIRST_EID = 9_000_000
EID_SPAN = 900_000
IMAGING_INSTANCE, REPEAT_INSTANCE = 2, 3
CENTRES = (11025, 11026, 11027)  # coding 10: Cheadle, Reading, Newcastle (imaging)
CENSORING = date(2024, 9, 30)  # end of the records; imaging is FOLLOW_UP_YEARS before it
FIRST_BASELINE, LAST_BASELINE = date(2006, 4, 1), date(2010, 9, 30)
REPEAT_GAP_YEARS = (2.0, 4.0)  # between the imaging visits [M]

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

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Kinds of raw file that the visit has."""
        kinds: tuple[tuple[Modality, bool], ...] = (("ecg", self.has_ecg), ("cine", self.has_cine))
        return tuple(modality for modality, has_file in kinds if has_file)


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
    gap_years = np.minimum(rng.uniform(*REPEAT_GAP_YEARS, count), columns["follow_up_years"] - 0.1)
    aged = age_columns(columns, gap_years, rng)
    later_ecg, later_cine = rng.random((2, count)) >= ((config.missing_ecg_share,), (config.missing_cine_share,))
    people = []
    for index in range(count):
        state = from_columns(columns, index)
        day = _open_day(CENSORING - timedelta(days=round(365.25 * float(columns["follow_up_years"][index]))))
        visits = [Visit(IMAGING_INSTANCE, day, state, not missing_ecg[index], not missing_cine[index])]
        if returning[index]:
            later = _open_day(day + timedelta(days=round(365.25 * float(gap_years[index]))))
            has_ecg, has_cine = bool(later_ecg[index]), bool(later_cine[index])
            visits.append(Visit(REPEAT_INSTANCE, later, from_columns(aged, index), has_ecg, has_cine))
        people.append(
            Participant(
                index=index,
                eid=FIRST_EID + int(offsets[index]),
                birth=(day - timedelta(days=round(365.25 * state.age_years))).replace(day=1),
                baseline=_draw_baseline(rng, day, state.age_years),
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


def _exact_share(rng: np.random.Generator, count: int, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the nearest whole number of people, at random."""
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[rng.permutation(count)[: round(share * count)]] = True
    return chosen


def _draw_baseline(rng: np.random.Generator, imaging: date, age_years: float) -> date:
    """A day of recruitment on which the person was 40 to 69 years old."""
    youngest, oldest = ph.RECRUITMENT_AGE
    first = max(FIRST_BASELINE, imaging - timedelta(days=int(365.25 * (age_years - youngest))))
    last = min(LAST_BASELINE, imaging - timedelta(days=int(365.25 * (age_years - oldest))))
    days = max((last - first).days, 1)
    return _open_day(first + timedelta(days=int(rng.integers(days))))


def _open_day(day: date) -> date:
    """That day, or the next where it is a Sunday: assessment centres are closed."""
    return day + timedelta(days=1) if day.weekday() == 6 else day


@dataclass(frozen=True, slots=True, eq=False)
class CohortPlan:
    """People in the order of their index, corruptions by participant index, participants on the withdrawal list."""

    people: tuple[Participant, ...]
    corruptions: dict[int, tuple[PlannedCorruption, ...]]
    withdrawn: tuple[int, ...]


def plan_cohort(config: SimulationConfig) -> CohortPlan:
    """Draw the people and decide about their files; depends on the configuration alone."""
    people = draw_cohort(config)
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(STREAM_PLAN,)))
    files = [(person.index, v.instance, kind) for person in people for v in person.visits for kind in v.modalities]
    by_person: dict[int, tuple[PlannedCorruption, ...]] = {}
    for corruption in plan_corruptions(files, config.corruption_share, rng):
        by_person[corruption.index] = (*by_person.get(corruption.index, ()), corruption)
    return CohortPlan(people, by_person, _choose_withdrawn(people, by_person, config.withdrawn, rng))


def _choose_withdrawn(
    people: tuple[Participant, ...],
    corruptions: dict[int, tuple[PlannedCorruption, ...]],
    count: int,
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """People with intact files of both kinds where there are enough, so that a withdrawal has something to remove."""
    shuffled = [people[i] for i in rng.permutation(len(people))]
    shuffled.sort(
        key=lambda person: not person.imaging.has_ecg or not person.imaging.has_cine or person.index in corruptions
    )
    return tuple(person.eid for person in shuffled[:count])
