"""Write the files of one participant: the unit of work of a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np

from eccl.simulate.cine import record_cine
from eccl.simulate.cohort import Participant, Visit, person_rng
from eccl.simulate.config import SimulationConfig
from eccl.simulate.corruption import Modality, PlannedCorruption, corrupt_ecg, write_cine
from eccl.simulate.diagnoses import draw_diagnoses
from eccl.simulate.dipole import beat_of
from eccl.simulate.ecg import record_ecg
from eccl.simulate.ecg_xml import EcgHeader, write_ecg_xml
from eccl.simulate.heart import HeartState
from eccl.simulate.sax_zip import StudyHeader, new_uid
from eccl.simulate.tables import Row, participant_row
from eccl.simulate.traits import measure_traits

FIELD = {"ecg": 20205, "cine": 20209}
SUFFIX = {"ecg": "xml", "cine": "zip"}
FLAT_FOLDER = {"ecg": "ecg", "cine": "cmr"}
RAP_FOLDER = {"ecg": "Electrocardiogram/Resting", "cine": "Heart MRI/Short axis"}
# Purposes of a person's random streams; one per product and instance, so that a missing file changes no other.
PURPOSE_TABLE, PURPOSE_ECG, PURPOSE_CINE, PURPOSE_TRAITS = 1, 10, 20, 30


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One raw file: whose it is, what was done to it and what a reader should make of it."""

    eid: int
    instance: int
    modality: Modality
    corruption: str
    expected: str


@dataclass(frozen=True, slots=True)
class Task:
    """One participant's share of the work; everything needed crosses to a worker process by pickling."""

    out: Path
    config: SimulationConfig
    person: Participant
    corruptions: tuple[PlannedCorruption, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """What a worker hands back: the table row and the list of files."""

    row: Row
    files: tuple[WrittenFile, ...]


def file_path(out: Path, config: SimulationConfig, eid: int, instance: int, modality: Modality) -> Path:
    """Where a raw file lies in the chosen layout."""
    name = f"{eid}_{FIELD[modality]}_{instance}_0.{SUFFIX[modality]}"
    if config.layout == "flat":
        return out / FLAT_FOLDER[modality] / name
    return out / RAP_FOLDER[modality] / str(eid)[:2] / name


def write_participant(task: Task) -> Product:
    """Render and write everything of one participant; depends on the task alone."""
    person, config = task.person, task.config
    planned = {(c.instance, c.modality): c for c in task.corruptions}
    files: list[WrittenFile] = []
    traits = {}
    for visit in person.visits:
        if visit.has_ecg:
            files.append(_write(task, visit, "ecg", planned.get((visit.instance, "ecg"))))
        if visit.has_cine:
            files.append(_write(task, visit, "cine", planned.get((visit.instance, "cine"))))
            traits[visit.instance] = measure_traits(
                visit.state, person_rng(config, person.index, PURPOSE_TRAITS + visit.instance)
            )
    diagnoses = draw_diagnoses(person, person_rng(config, person.index, PURPOSE_TABLE))
    return Product(participant_row(person, diagnoses, traits), tuple(files))


def _write(task: Task, visit: Visit, modality: Modality, planned: PlannedCorruption | None) -> WrittenFile:
    render = _ecg_bytes if modality == "ecg" else _cine_bytes
    data = render(task, visit, planned.kind if planned else None)
    path = file_path(task.out, task.config, task.person.eid, visit.instance, modality)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return WrittenFile(
        task.person.eid,
        visit.instance,
        modality,
        planned.kind if planned else "none",
        planned.expected if planned else "accepted",
    )


def _ecg_bytes(task: Task, visit: Visit, kind: str | None) -> bytes:
    rng = person_rng(task.config, task.person.index, PURPOSE_ECG + visit.instance)
    header = _ecg_header(task.person, visit, rng)
    long_form = rng.random() < task.config.full_disclosure_share
    xml = write_ecg_xml(record_ecg(visit.state, rng), header, full_disclosure=long_form)
    return corrupt_ecg(xml, kind) if kind else xml


def _cine_bytes(task: Task, visit: Visit, kind: str | None) -> bytes:
    config = task.config
    rng = person_rng(config, task.person.index, PURPOSE_CINE + visit.instance)
    smallest, largest = config.slices
    cine = record_cine(
        visit.state,
        rng,
        slices=int(rng.integers(smallest, largest + 1)),
        frames=config.frames,
        matrix=config.matrix_sizes[int(rng.integers(len(config.matrix_sizes)))],
    )
    state = visit.state
    header = StudyHeader(
        patient_id="ANON" + "".join(rng.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZ"), 8)),
        moment=_moment(visit, rng),
        male=state.male,
        age_years=int(state.age_years),
        weight_kg=state.weight_kg,
        height_m=state.height_cm / 100.0,
    )
    return write_cine(cine, header, rng, kind)


def _ecg_header(person: Participant, visit: Visit, rng: np.random.Generator) -> EcgHeader:
    state = visit.state
    return EcgHeader(
        # A long numeric pseudo-id, as in UK Biobank's files; it has nothing to do with the eid.
        pseudo_id="".join(map(str, rng.integers(1, 10, 12))),
        given_name="".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 3)),
        study_uid=new_uid(rng),
        moment=_moment(visit, rng),
        male=state.male,
        age_years=int(state.age_years),
        birth_year=person.birth.year,
        height_cm=round(state.height_cm),
        weight_kg=round(state.weight_kg, 1),
        diagnosis=_statements(state),
    )


def _moment(visit: Visit, rng: np.random.Generator) -> datetime:
    return datetime.combine(visit.day, time(8, 0)) + timedelta(seconds=int(rng.integers(9 * 3600)))


def _statements(state: HeartState) -> tuple[str, ...]:
    """What the electrocardiograph would print."""
    beat, out = beat_of(state), []
    if state.atrial_fibrillation:
        out.append("Atrial fibrillation")
    elif state.heart_rate < 60:
        out.append("Sinus bradycardia")
    else:
        out.append("Normal sinus rhythm" if state.heart_rate <= 100 else "Sinus tachycardia")
    if beat.has_p and beat.pr_ms > 210:
        out.append("with 1st degree A-V block")
    if state.conduction != "normal":
        out.append("Left bundle branch block" if state.conduction == "lbbb" else "Right bundle branch block")
    out.append("Normal ECG" if len(out) == 1 and not state.atrial_fibrillation else "Abnormal ECG")
    return tuple(out)
