"""What a cohort consists of before anything is rendered: people, files to corrupt, people who will withdraw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eccl.simulate.cohort import STREAM_PLAN, Participant, draw_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.corruption import Modality, PlannedCorruption, plan_corruptions


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
    planned = plan_corruptions(_all_files(people), config.corruption_share, rng)
    by_person: dict[int, tuple[PlannedCorruption, ...]] = {}
    for corruption in planned:
        by_person[corruption.index] = (*by_person.get(corruption.index, ()), corruption)
    return CohortPlan(people, by_person, _choose_withdrawn(people, by_person, config.withdrawn, rng))


def _all_files(people: tuple[Participant, ...]) -> list[tuple[int, int, Modality]]:
    files: list[tuple[int, int, Modality]] = []
    for person in people:
        for visit in person.visits:
            if visit.has_ecg:
                files.append((person.index, visit.instance, "ecg"))
            if visit.has_cine:
                files.append((person.index, visit.instance, "cine"))
    return files


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
