"""The people and recordings that both halves of the sanity table use, drawn once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from eccl.simulate import HeartState, measure_traits
from eccl.simulate.heart.physiology import Columns, Floats
from eccl.simulate.heart.population import draw_columns
from eccl.simulate.heart.state import from_columns

TRAIT = {"LVEDV": 0, "LVESV": 1, "SV": 2, "EF": 3, "CO": 4, "LVM": 5, "RVEDV": 6, "RVSV": 8, "RVEF": 9}
TRAIT |= {"LAmax": 10, "LAmin": 11, "RAmax": 14, "AAo": 18, "AAo dist": 20, "DAo dist": 23, "WT": 40}
TRAIT |= {"Ecc": 57, "Err": 74, "Ell": 81}
PEOPLE, RECORDINGS = 6000, 2600


@dataclass(frozen=True)
class People:
    columns: Columns
    states: list[HeartState]
    traits: Floats

    def trait(self, name: str, sex: int | None = None) -> Floats:
        values = self.traits[:, TRAIT[name]]
        return values if sex is None else values[self.columns["male"] == sex]

    def within_sex(self, first: Floats, second: Floats) -> float:
        """Mean over the sexes of a correlation, of those who have both."""
        male, found = self.columns["male"][: len(first)], []
        known = ~np.isnan(first) & ~np.isnan(second)
        for sex in (0, 1):
            chosen = known & (male == sex)
            found.append(float(np.corrcoef(first[chosen], second[chosen])[0, 1]))
        return float(np.mean(found))


@cache
def draw_people() -> People:
    columns = draw_columns(np.random.default_rng(17), PEOPLE, enriched=False)
    states = [from_columns(columns, index) for index in range(PEOPLE)]
    traits = [measure_traits(state, np.random.default_rng([3, index])) for index, state in enumerate(states)]
    return People(columns, states, np.stack(traits))


@cache
def draw_many() -> Columns:
    """Enough people for the rare diseases."""
    return draw_columns(np.random.default_rng(23), 100_000, enriched=False)
