"""Diagnoses as UK Biobank records them: hospital ICD-10 codes with dates, first occurrences, causes of death."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from eccl.readers.tables.dictionary import PLACEHOLDER_DATES
from eccl.simulate.cohort import CENSORING, Participant
from eccl.simulate.heart.physiology import DISEASES

# Date field of a first occurrence; its source field is the next number.
FIRST_OCCURRENCE = {
    "I10": 131286,
    "I20": 131296,
    "I21": 131298,
    "I25": 131306,
    "I42": 131338,
    "I48": 131350,
    "I50": 131354,
}
# Hospital codes have no dot; three-character codes occur bare.
SUBCODES = {
    "I21": ("I210", "I211", "I214", "I219", "I219"),
    "I42": ("I420", "I420", "I421", "I422", "I429"),
    "I48": ("I48", "I480", "I482", "I489", "I489"),
    "I50": ("I500", "I501", "I509", "I509"),
    "I10": ("I10",),
    "I20": ("I200", "I209"),
    "I25": ("I251", "I259"),
}
DIABETES_CODE, DIABETES_CODED_SHARE, HYPERTENSION_CODED_SHARE = "E119", 0.8, 0.75  # [P] of those who have it
BYSTANDERS = ("J459", "K219", "M170", "R074", "Z867", "C449", "H269", "N390", "E780")
SPECIAL_DATES = tuple(sorted(day.isoformat() for day in PLACEHOLDER_DATES))
# Coding 2171: where a first occurrence was found, alone or with others.
SOURCE_DEATH, SOURCE_PRIMARY, SOURCE_HOSPITAL, SOURCE_HOSPITAL_PLUS, SOURCE_SELF = 20, 30, 40, 41, 50
SPECIAL_DATE_SHARE = 0.06  # of cases [P]
DEATH_SHARE = 0.03  # of participants, twice that with heart failure [P]


@dataclass(frozen=True, slots=True)
class FirstOccurrence:
    """The first report of a three-character code; `day` may be one of SPECIAL_DATES."""

    day: str
    source: int


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """One person's records.

    `hospital` pairs codes with first dates, in the order of the arrays of 41270 and 41280; `death_causes` holds the
    underlying cause first.
    """

    hospital: tuple[tuple[str, date], ...]
    first: dict[str, FirstOccurrence]
    death: date | None
    death_causes: tuple[str, ...]


def draw_diagnoses(person: Participant, rng: np.random.Generator) -> Diagnoses:
    """Draw the records of one person from the onsets of the latent diseases."""
    hospital: list[tuple[str, date]] = []
    first: dict[str, FirstOccurrence] = {}
    for code, years in _conditions(person, rng).items():
        years = max(years, 20.0 - person.imaging.state.age_years)  # nothing here begins in childhood
        day = min(person.imaging.day + timedelta(days=round(365.25 * years)), CENSORING)
        if rng.random() < SPECIAL_DATE_SHARE:
            # Known to the general practice only, and not when.
            first[code] = FirstOccurrence(str(rng.choice(SPECIAL_DATES)), SOURCE_PRIMARY)
            continue
        route = rng.random()
        if route < 0.85:
            hospital.append((str(rng.choice(SUBCODES[code])), day))
            source = SOURCE_HOSPITAL_PLUS if rng.random() < 0.3 else SOURCE_HOSPITAL
        else:
            source = SOURCE_PRIMARY if route < 0.95 else SOURCE_SELF
        first[code] = FirstOccurrence(day.isoformat(), source)
        if rng.random() < 0.15 and source in (SOURCE_HOSPITAL, SOURCE_HOSPITAL_PLUS):
            again = min(day + timedelta(days=int(rng.integers(30, 900))), CENSORING)
            hospital.append((str(rng.choice(SUBCODES[code])), again))
    for other in rng.choice(BYSTANDERS, size=int(rng.poisson(1.2)) % 6, replace=False):
        day = person.baseline + timedelta(days=int(rng.integers(-3000, 4500)))
        hospital.append((str(other), min(day, CENSORING)))
    if person.imaging.state.diabetes and rng.random() < DIABETES_CODED_SHARE:
        hospital.append((DIABETES_CODE, person.imaging.day - timedelta(days=int(rng.integers(100, 5000)))))
    death, causes = _draw_death(person, first, rng)
    for cause in causes:
        code = cause[:3]
        if code in DISEASES and code not in first and death is not None:
            first[code] = FirstOccurrence(death.isoformat(), SOURCE_DEATH)
    return Diagnoses(_first_dates(hospital, death), first, death, causes)


def _conditions(person: Participant, rng: np.random.Generator) -> dict[str, float]:
    """Onset in years from the imaging visit of every recorded condition."""
    out = dict(person.onset_years)
    state = person.imaging.state
    if state.hypertension and rng.random() < HYPERTENSION_CODED_SHARE:
        out["I10"] = -float(rng.exponential(8.0)) + 1.0
    if "I21" in out:
        # Ischaemic heart disease is usually coded around an infarction.
        if rng.random() < 0.7:
            out["I25"] = out["I21"] + float(rng.normal(0.0, 0.5))
        if rng.random() < 0.3:
            out["I20"] = out["I21"] - float(rng.exponential(1.0))
    return out


def _draw_death(
    person: Participant, first: dict[str, FirstOccurrence], rng: np.random.Generator
) -> tuple[date | None, tuple[str, ...]]:
    share = DEATH_SHARE * (2.0 if "I50" in person.onset_years else 1.0)
    roll, years, heart = rng.random(), float(rng.uniform(0.3, 6.0)), rng.random()
    if roll >= share:
        return None, ()
    day = person.visits[-1].day + timedelta(days=round(365.25 * years))
    # A death is never before the last record of a participant.
    recorded = [date.fromisoformat(f.day) for f in first.values() if f.day not in SPECIAL_DATES]
    day = max([day, *recorded])
    if day > CENSORING:
        return None, ()
    known = [code for code in DISEASES if code in first]
    if known and heart < 0.7:
        return day, (str(rng.choice(SUBCODES[known[0]])), "E119", "I10")
    return day, (("I219",) if heart > 0.9 else ("C349", "J440"))


def _first_dates(hospital: list[tuple[str, date]], death: date | None) -> tuple[tuple[str, date], ...]:
    """Distinct codes with their first dates, in the order of the codes."""
    earliest: dict[str, date] = {}
    for code, day in hospital:
        if death is not None and day > death:
            continue
        earliest[code] = min(day, earliest.get(code, day))
    return tuple(sorted(earliest.items()))
