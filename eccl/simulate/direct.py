"""A simulated cohort straight into a workspace's data/: no XML and no DICOM, the ingest's own plan, workers and commits.

::

    summary, report = simulate_into(Path("raw"), config, workspace, workers=16)

The tables are written to a raw folder and ingested as any export. Recordings and studies are built in memory as the
readers of :mod:`eccl.readers` would give them back, and only the slices that the ingest asks for are rendered, so the arrays
and every measured column are those of raw files. What describes a file describes its recipe instead.

A workspace belongs to one cohort. Which recipe fills it is noted in ``.eccl/simulated`` before the first array is written.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq

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
from eccl.simulate.cohort import Participant, Visit
from eccl.simulate.cohort_plan import CohortPlan, plan_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.cohort_files import draw_cine_file, draw_ecg_file, file_path, raw_bytes, visit_modalities
from eccl.simulate.files.corruption import Modality as Kind
from eccl.simulate.files.simulation import SimulationSummary, plan_simulation, simulate_tables
from eccl.simulate.read_back import SimulatedStudy, to_recording
from eccl.workspace import Workspace

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
    """Tell what :func:`simulate_into` would simulate; nothing is written.

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
                for kind in visit_modalities(visit):
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
            for kind in visit_modalities(visit)
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

        A file that is to be corrupted is written in memory and goes through its reader, whose verdict is what counts.
        """
        person, visit = _visits(self.config)[file.eid, file.instance]
        kind = cast(Kind, file.kind)
        corruption = _corruption(self.config, person, file.instance, kind)
        read = reader.read
        if isinstance(read, EcgReader):
            if corruption:
                return read.parse(raw_bytes(self.config, person, visit, kind, corruption))
            return read.record(to_recording(draw_ecg_file(self.config, person, visit)))
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
