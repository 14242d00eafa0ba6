"""A simulated cohort straight into data/ against raw files and their ingest: the same arrays, the same cohort."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, median_seconds
from eccl.ingest.run import run_ingest
from eccl.simulate import SimulationConfig, simulate_cohort
from eccl.simulate.direct import simulate_into
from eccl.workspace import Workspace

PARTICIPANTS = 32


def straight_into_data(participants: int = PARTICIPANTS, repeats: int = 1) -> Row:
    """Seconds of one core per participant: no XML, no DICOM, three rendered slices, against everything.

    Both ways use one process and end with the tables and the cohort derived. Every participant has an ECG and a study of
    ten slices, as UK Biobank's have.
    """
    config = SimulationConfig(
        participants=participants,
        seed=3,
        disease_enrichment=False,
        second_visit_share=0.0,
        missing_ecg_share=0.0,
        missing_cine_share=0.0,
        corruption_share=0.0,
        withdrawn=0,
        slices=(10, 10),
    )

    def direct(raw: Path, place: Workspace) -> None:
        simulate_into(raw, config, place, workers=1)

    def through_files(raw: Path, place: Workspace) -> None:
        simulate_cohort(raw, config, workers=1)
        run_ingest(place, raw, workers=1)

    ours, theirs = (median_seconds(_in_empty_folders(work), repeats) / participants for work in (direct, through_files))
    return Row(
        "simulated participant",
        "eccl.simulate.direct.simulate_into",
        "simulate_cohort + run_ingest",
        ours,
        theirs,
        "s",
        f"{participants} participants, one ECG and 10 slices each, one core",
    )


def _in_empty_folders(work: Callable[[Path, Workspace], None]) -> Callable[[], None]:
    """The same work in an empty folder and workspace at every call."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = Workspace(Path(folder) / "workspace")
            place.root.mkdir()
            place.params_file.write_text("preset: demo\n")
            work(Path(folder) / "raw", place)

    return run


def measure() -> list[Row]:
    """The rows of this suite."""
    return [straight_into_data()]
