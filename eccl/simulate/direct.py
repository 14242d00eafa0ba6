"""Simulate a cohort straight into a workspace's data/, through the ingest's own plan, workers and commits.

::

    summary, report = simulate_into(Path("raw"), config, workspace, workers=16)

The tables are written to a raw folder and ingested as any export. An ECG is written in memory and parsed. A study is
not: writing 300 DICOM files takes longer than all the rest, so its headers are planned by the reader's own rules and
only the slices that the ingest reads are rendered. Arrays and measured columns equal those of raw files; the columns
that describe a file (hash, size) hold those of its recipe.

A workspace holds one simulated cohort. The hash of its recipe is written to ``.eccl/simulated`` before the first array.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydicom.uid import MRImageStorage

from eccl.data.files import replace_file
from eccl.data.lock import writing
from eccl.data.parts import PARTED, table_files
from eccl.errors import ConfigError
from eccl.ingest.cine import CineReader
from eccl.ingest.ecg import EcgReader
from eccl.ingest.raw.discover import Discovery, RawFile, discover
from eccl.ingest.raw.raw_files import LocalFiles
from eccl.ingest.record import Record, RecordReader
from eccl.ingest.report import IngestReport
from eccl.ingest.run import run_ingest
from eccl.modalities import MODALITIES, SLOT_TABLES
from eccl.readers.cine.headers import FrameHeader, normalise_series
from eccl.readers.cine.series import choose_stack
from eccl.readers.cine.slices import plan_stack
from eccl.readers.cine.study import SaxStudy, describe_slice, measure_cycle_ms
from eccl.simulate.cine.dicom_zip import (
    INLINE_VF_FRAMES,
    MANUFACTURER,
    MODEL,
    SHORT_AXIS_SERIES,
    placement,
    stored_spacing_mm,
    trigger_text,
)
from eccl.simulate.cine.render import SLICE_STEP_MM, Scan
from eccl.simulate.cohort import CohortPlan, Participant, Visit, plan_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.cohort_files import draw_cine_file, file_path, raw_bytes
from eccl.simulate.files.corruption import Modality as Kind
from eccl.simulate.files.simulation import SimulationSummary, plan_simulation, simulate_tables
from eccl.workspace import Workspace

_MANUFACTURER = f"{MANUFACTURER} {MODEL}"
PROOF_NAME = "simulated"  # in .eccl: the hash of the recipe that fills the workspace


def simulate_into(
    out: Path,
    config: SimulationConfig,
    workspace: Workspace,
    *,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[SimulationSummary, IngestReport]:
    """Write a cohort's tables to a folder and its arrays into a workspace.

    Equal configurations give equal bytes whatever `workers` is; a run that was killed is taken up by the same call.

    Parameters
    ----------
    out
        Folder for tables, withdrawal list and truth table; made when absent.
    on_progress
        Called with (recordings and studies done, planned).

    Raises
    ------
    ConfigError
        `out` holds another cohort, raw files, or anything else; or the workspace holds data that this recipe did not make.
    """
    source = SimulatedCohort(Path(out), config)
    _require_own(workspace, source)
    summary = simulate_tables(out, config)
    with writing(workspace.state, "simulate"):
        _require_own(workspace, source)
        replace_file(workspace.state / PROOF_NAME, f"{config.digest()}\n".encode())
    return summary, run_ingest(workspace, source, workers=workers, on_progress=on_progress)


def plan_simulation_into(out: Path, config: SimulationConfig, workspace: Workspace) -> SimulationSummary:
    """Return what :func:`simulate_into` would simulate; nothing is written.

    Raises
    ------
    ConfigError
        The simulation itself would refuse the folder or the workspace.
    """
    _require_own(workspace, SimulatedCohort(Path(out), config))
    return plan_simulation(out, config, "tables")


def _require_own(workspace: Workspace, source: SimulatedCohort) -> None:
    tables = ("participants", *PARTED)
    files = {table: len(table_files(workspace.data, table)) for table in tables}
    if not any(files.values()):
        return
    proof = workspace.state / PROOF_NAME
    noted = proof.read_text().strip() if proof.is_file() else None
    if noted == source.config.digest() and source.made(workspace.data):
        return
    found = ", ".join(f"{table}: {count}" for table, count in files.items() if count)
    origin = "another simulated cohort" if noted not in {None, source.config.digest()} else "data of another origin"
    raise ConfigError(
        f"{workspace.root} holds {origin} (table files: {found}), which a simulation would replace; expected a workspace "
        "without data, or one that this very recipe filled; make a new one with `eccl init FOLDER` and name it instead"
    )


@dataclass(frozen=True, slots=True)
class SimulatedCohort:
    """A source of the ingest that renders instead of reading; `folder` holds the cohort's tables."""

    folder: Path
    config: SimulationConfig

    @property
    def files(self) -> LocalFiles:
        return LocalFiles(self.folder)

    def discover(self) -> Discovery:
        """List the files that the cohort would have, without those of withdrawn participants."""
        found = discover(self.files)
        files: dict[str, list[RawFile]] = {one.kind: [] for one in MODALITIES}
        withdrawn = dict.fromkeys(files, 0)
        for person in _plan(self.config).people:
            for visit in person.visits:
                for kind in visit.modalities:
                    if person.eid in found.withdrawals:
                        withdrawn[kind] += 1
                    else:
                        files[kind].append(self._file(person, visit, kind))
        return replace(
            found,
            files={kind: tuple(sorted(those)) for kind, those in files.items()},
            duplicates=dict.fromkeys(files, 0),
            withdrawn=withdrawn,
            unplaced=(),
        )

    @contextmanager
    def fetch(self, file: RawFile) -> Iterator[Rendering]:
        """Nothing is fetched: a record is rendered when it is read."""
        yield Rendering(self, file)

    def fingerprint(self, file: RawFile) -> str:
        """SHA-256 of the recipe."""
        person, _ = _visits(self.config)[file.eid, file.instance]
        return hashlib.sha256(self._recipe(person, file.instance, cast(Kind, file.kind))).hexdigest()

    def made(self, data: Path) -> bool:
        """Whether every participant and every recipe under data/ is one of this cohort's.

        A note of the recipe is not enough: raw files may have been ingested since.
        """
        eids = {person.eid for person in _plan(self.config).people}
        known = {
            hashlib.sha256(self._recipe(person, visit.instance, kind)).hexdigest()
            for person in _plan(self.config).people
            for visit in person.visits
            for kind in visit.modalities
        }
        for file in table_files(data, "participants"):
            if not eids.issuperset(pq.read_table(file, columns=["eid"]).column("eid").to_pylist()):
                return False
        parts = [file for table in SLOT_TABLES for file in table_files(data, table)]
        parts += [file for file in table_files(data, "quarantine") if file.stem != "table"]
        hashes = (pq.read_table(file, columns=["file_sha256"]).column("file_sha256").to_pylist() for file in parts)
        return all(known.issuperset(those) for those in hashes)

    def read(self, file: RawFile, reader: RecordReader) -> Record:
        """Render one visit's recording or study.

        An ECG, and a study that is to be corrupted, is written in memory and parsed by its reader. Of any other study
        only the slices that the ingest reads are rendered.
        """
        person, visit = _visits(self.config)[file.eid, file.instance]
        kind = cast(Kind, file.kind)
        corruption = _corruption(self.config, person, file.instance, kind)
        read = reader.read
        if isinstance(read, EcgReader):
            return read.parse(raw_bytes(self.config, person, visit, kind, corruption))
        assert isinstance(read, CineReader)
        if corruption:
            return read.parse(io.BytesIO(raw_bytes(self.config, person, visit, kind, corruption)))
        study = draw_cine_file(self.config, person, visit)
        return read.record(SimulatedStudy(study.scan, study.header.moment.date()))

    def _file(self, person: Participant, visit: Visit, kind: Kind) -> RawFile:
        path = file_path(self.config, person.eid, visit.instance, kind)
        size = len(self._recipe(person, visit.instance, kind))
        return RawFile(person.eid, visit.instance, kind, str(path), size, mtime_ns=None)

    def _recipe(self, person: Participant, instance: int, kind: Kind) -> bytes:
        recipe = {"cohort": self.config.digest(), "participant": person.index, "instance": instance, "modality": kind}
        return json.dumps(recipe, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Rendering:
    """One record of a simulated cohort, not yet rendered."""

    cohort: SimulatedCohort
    file: RawFile

    def fingerprint(self) -> str:
        return self.cohort.fingerprint(self.file)

    def read(self, reader: RecordReader) -> Record:
        return self.cohort.read(self.file, reader)


def _corruption(config: SimulationConfig, person: Participant, instance: int, kind: Kind) -> str | None:
    planned = _plan(config).corruptions.get(person.index, ())
    return next((c.kind for c in planned if (c.instance, c.modality) == (instance, kind)), None)


# Every worker draws the people once, which takes less than sending them with each batch.
@lru_cache(maxsize=1)
def _plan(config: SimulationConfig) -> CohortPlan:
    return plan_cohort(config)


@lru_cache(maxsize=1)
def _visits(config: SimulationConfig) -> dict[tuple[int, int], tuple[Participant, Visit]]:
    people = _plan(config).people
    return {(person.eid, visit.instance): (person, visit) for person in people for visit in person.visits}


class SimulatedStudy(SaxStudy):
    """The study that :func:`eccl.readers.cine.study.open_sax_zip` would yield; a slice is rendered when it is read."""

    def __init__(self, scan: Scan, day: date) -> None:
        # Stack and slices are planned by the reader's own rules, from the headers that the files would have.
        slices = range(len(scan.offsets_mm))
        stack = choose_stack([header for index in slices for header in _slice_headers(scan, day, index)])
        plan = plan_stack(stack)
        self._scan = scan
        self._unreadable, self._undecodable, self._flags = 0, {}, plan.flags
        self.manifest_status, self.excluded_files, self.manufacturer = "agrees", INLINE_VF_FRAMES, _MANUFACTURER
        self.acquired_on = day
        self.matrix = scan.matrix
        self.spacing_mm = (stored_spacing_mm(scan), stored_spacing_mm(scan))
        self.native_frames = plan.native_frames
        self.slice_step_mm = plan.slice_step_mm
        self.repeat_series = plan.repeats
        self.cycle_ms = measure_cycle_ms(plan)
        self.slices = tuple(describe_slice(item) for item in plan.slices)

    def read_slice(self, index: int) -> NDArray[np.uint16]:
        """Render one slice, counted from the base: (frames, rows, columns)."""
        return self._scan.render(index)


def _slice_headers(scan: Scan, day: date, index: int) -> list[FrameHeader]:
    """Return the headers of one slice's files, as far as stacks, slices and frames are planned from them."""
    position, orientation, location = placement(scan, index)
    rows, columns = scan.matrix
    spacing = stored_spacing_mm(scan)
    return [
        FrameHeader(
            member=index * scan.frame_count + frame,
            sop_class=MRImageStorage,
            sop_uid="",
            series_uid=str(index),
            series=normalise_series(SHORT_AXIS_SERIES.format(index + 1)),
            modality="MR",
            manufacturer=_MANUFACTURER,
            acquired_on=day,
            series_time_s=None,
            acquisition_time_s=None,
            series_number=None,
            instance=frame + 1,
            trigger_ms=float(trigger_text(scan.rr_ms, frame, scan.frame_count)),
            nominal_interval_ms=float(round(scan.rr_ms)),
            cardiac_images=scan.frame_count,
            position=tuple(position),
            orientation=tuple(orientation),
            slice_location=location,
            slice_step_mm=SLICE_STEP_MM,
            rows=rows,
            columns=columns,
            spacing_mm=(spacing, spacing),
            samples=1,
            frames=1,
        )
        for frame in range(scan.frame_count)
    ]
