"""The files of one participant and their row of the tables: the unit of work of a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path, PurePosixPath

import numpy as np

from eccl.modalities import MODALITY_OF_KIND
from eccl.simulate.cine.dicom_zip import StudyHeader, new_uid
from eccl.simulate.cine.render import Scan, plan_scan
from eccl.simulate.cohort import Participant, Visit, person_rng
from eccl.simulate.config import SimulationConfig
from eccl.simulate.ecg.cardiosoft import EcgHeader, write_ecg_xml
from eccl.simulate.ecg.dipole import beat_of
from eccl.simulate.ecg.render import record_ecg
from eccl.simulate.files.corruption import ACCEPTED, Modality, PlannedCorruption, corrupt_ecg, write_cine
from eccl.simulate.files.diagnoses import draw_diagnoses
from eccl.simulate.files.tables import Row, participant_row
from eccl.simulate.heart.state import HeartState
from eccl.simulate.heart.traits import measure_traits

FLAT_FOLDER = {"ecg": "ecg", "cine": "cmr"}
RAP_FOLDER = {"ecg": "Electrocardiogram/Resting", "cine": "Heart MRI/Short axis"}
# Purposes of a person's random streams; one per product and instance, so that a missing file changes no other.
PURPOSE_TABLE, PURPOSE_ECG, PURPOSE_CINE, PURPOSE_TRAITS = 1, 10, 20, 30


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One raw file: its participant, visit and corruption, and the expected result of reading it."""

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


def file_path(config: SimulationConfig, eid: int, instance: int, modality: Modality) -> PurePosixPath:
    """Return a raw file's path below the cohort's folder, in the chosen layout."""
    spec = MODALITY_OF_KIND[modality]
    name = f"{eid}_{spec.field}_{instance}_0{spec.suffixes[0]}"
    if config.layout == "flat":
        return PurePosixPath(FLAT_FOLDER[modality], name)
    return PurePosixPath(RAP_FOLDER[modality], str(eid)[:2], name)


def write_participant(task: Task) -> Product:
    """Render and write everything of one participant; depends on the task alone."""
    person, planned = task.person, {(c.instance, c.modality): c.kind for c in task.corruptions}
    for visit in person.visits:
        for modality in visit.modalities:
            path = task.out / file_path(task.config, person.eid, visit.instance, modality)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw_bytes(task.config, person, visit, modality, planned.get((visit.instance, modality))))
    return tabulate_participant(task)


def tabulate_participant(task: Task) -> Product:
    """The tables' row and the list of files of one participant, without rendering any."""
    person, config = task.person, task.config
    planned = {(c.instance, c.modality): (c.kind, c.expected) for c in task.corruptions}
    traits = {
        visit.instance: measure_traits(visit.state, person_rng(config, person.index, PURPOSE_TRAITS + visit.instance))
        for visit in person.visits
        if visit.has_cine
    }
    diagnoses = draw_diagnoses(person, person_rng(config, person.index, PURPOSE_TABLE))
    files = tuple(
        WrittenFile(person.eid, visit.instance, modality, *planned.get((visit.instance, modality), ("none", ACCEPTED)))
        for visit in person.visits
        for modality in visit.modalities
    )
    return Product(participant_row(person, diagnoses, traits), files)


@dataclass(frozen=True, slots=True, eq=False)
class CineFile:
    """What goes into a study's zip; `rng` goes on with the uids and the order of its members."""

    scan: Scan
    header: StudyHeader
    rng: np.random.Generator


def draw_cine_file(config: SimulationConfig, person: Participant, visit: Visit) -> CineFile:
    """Plan a visit's short-axis study; nothing is rendered yet."""
    rng = person_rng(config, person.index, PURPOSE_CINE + visit.instance)
    smallest, largest = config.slices
    scan = plan_scan(
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
    return CineFile(scan, header, rng)


def raw_bytes(
    config: SimulationConfig, person: Participant, visit: Visit, modality: Modality, corruption: str | None
) -> bytes:
    """A raw file's content, with one documented corruption or none."""
    if modality == "ecg":
        rng = person_rng(config, person.index, PURPOSE_ECG + visit.instance)
        header = _ecg_header(person, visit, rng)
        long_form = bool(rng.random() < config.full_disclosure_share)
        xml = write_ecg_xml(record_ecg(visit.state, rng), header, full_disclosure=long_form)
        return corrupt_ecg(xml, corruption) if corruption else xml
    study = draw_cine_file(config, person, visit)
    return write_cine(study.scan.record(), study.header, study.rng, corruption)


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
