"""A simulated cohort straight into a workspace's data/: no XML and no DICOM, the ingest's own plan, workers and commits.

::

    summary, report = simulate_into(Path("raw"), config, workspace, workers=16)

The tables are written to a raw folder and ingested as any export. Recordings and studies are built in memory as the
readers of :mod:`eccl.ukb` would give them back, and only the slices that the ingest asks for are rendered, so the arrays
and every measured column are those of raw files. What describes a file describes its recipe instead.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from eccl.ingest.discover import Discovery, RawFile, discover
from eccl.ingest.modality import EcgReader, Modality, Record
from eccl.ingest.report import IngestReport
from eccl.ingest.run import run_ingest
from eccl.simulate.cohort import Participant, Visit
from eccl.simulate.cohort_files import draw_cine_file, draw_ecg_file, file_path, raw_bytes, visit_modalities
from eccl.simulate.cohort_plan import CohortPlan, plan_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.corruption import Modality as Kind
from eccl.simulate.read_back import SimulatedStudy, to_recording
from eccl.simulate.simulation import SimulationSummary, simulate_tables
from eccl.workspace import Workspace


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
        `out` holds another cohort, raw files, or anything else.
    """
    summary = simulate_tables(out, config)
    source = SimulatedCohort(Path(out), config)
    return summary, run_ingest(workspace, source, workers=workers, on_progress=on_progress)


@dataclass(frozen=True, slots=True)
class SimulatedCohort:
    """A source of the ingest that renders instead of reading; `folder` holds the cohort's tables."""

    folder: Path
    config: SimulationConfig

    def discover(self) -> Discovery:
        """List the files that the cohort would have, without those of withdrawn participants."""
        found = discover(self.folder)
        files: dict[str, list[RawFile]] = {"ecg": [], "cine": []}
        withdrawn = {"ecg": 0, "cine": 0}
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
            duplicates={"ecg": 0, "cine": 0},
            withdrawn=withdrawn,
            unplaced=(),
        )

    def fingerprint(self, file: RawFile) -> str:
        """SHA-256 of the recipe."""
        person, _ = _visits(self.config)[file.eid, file.instance]
        return hashlib.sha256(self._recipe(person, file.instance, _kind_of(file))).hexdigest()

    def read(self, file: RawFile, modality: Modality) -> Record:
        """Render one visit's recording or study.

        A file that is to be corrupted is written in memory and goes through its reader, whose verdict is what counts.
        """
        person, visit = _visits(self.config)[file.eid, file.instance]
        kind = _kind_of(file)
        corruption = _corruption(self.config, person, file.instance, kind)
        reader = modality.reader
        if isinstance(reader, EcgReader):
            if corruption:
                return reader.parse(raw_bytes(self.config, person, visit, kind, corruption))
            return reader.record(to_recording(draw_ecg_file(self.config, person, visit)))
        if corruption:
            return reader.parse(io.BytesIO(raw_bytes(self.config, person, visit, kind, corruption)))
        study = draw_cine_file(self.config, person, visit)
        return reader.record(SimulatedStudy(study.scan, study.header.moment.date()))

    def _file(self, person: Participant, visit: Visit, kind: Kind) -> RawFile:
        path = file_path(self.config, person.eid, visit.instance, kind)
        size = len(self._recipe(person, visit.instance, kind))
        return RawFile(person.eid, visit.instance, str(path), size, mtime_ns=None)

    def _recipe(self, person: Participant, instance: int, kind: Kind) -> bytes:
        recipe = {"cohort": self.config.digest(), "participant": person.index, "instance": instance, "modality": kind}
        return json.dumps(recipe, sort_keys=True).encode()


def _kind_of(file: RawFile) -> Kind:
    return "ecg" if file.path.endswith(".xml") else "cine"


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
