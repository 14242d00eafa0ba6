"""A cohort straight into data/: the same arrays and tables as raw files and their ingest, the same laws."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eccl.data.lock import writing
from eccl.data.parts import read_table, table_files
from eccl.errors import ConfigError, LockedError
from eccl.ingest.report import IngestReport
from eccl.ingest.run import run_ingest
from eccl.simulate import SimulationConfig, SimulationSummary, simulate_cohort
from eccl.simulate.cohort import plan_cohort
from eccl.simulate.direct import SimulatedCohort, plan_simulation_into, simulate_into
from eccl.simulate.files.cohort_files import draw_cine_file
from eccl.simulate.files.simulation import plan_simulation, simulate_tables
from eccl.workspace import Workspace
from tests.support.workspaces import Tree, tree_of

CONFIG = SimulationConfig(
    participants=9,
    seed=23,
    second_visit_share=0.25,
    missing_ecg_share=0.12,
    missing_cine_share=0.12,
    corruption_share=0.0,
    withdrawn=1,
    slices=(2, 4),
    frames=12,
    full_disclosure_share=0.0,
)
OTHER = CONFIG.model_copy(update={"matrix_sizes": ((192, 208),)})
CORRUPTED = CONFIG.model_copy(update={"corruption_share": 0.5})
OF_THE_FILE = ["file_sha256", "file_bytes"]
COMMAND = (
    "import sys; from pathlib import Path; from eccl.workspace import Workspace; from eccl.simulate import SimulationConfig; "
    "from eccl.simulate.direct import simulate_into; "
    "simulate_into(Path(sys.argv[1]), SimulationConfig.model_validate_json(sys.argv[3]), Workspace(Path(sys.argv[2])))"
)


def small_workspace(folder: Path) -> Workspace:
    folder.mkdir()
    (folder / "params.yaml").write_text("ingest: {ecg_shard_rows: 4, cine_shard_rows: 3}\n")
    return Workspace(folder)


def arrays_of(place: Workspace) -> Tree:
    return {path: digest for path, digest in tree_of(place.data).items() if ".zarr/" in path}


def compare(raw: Workspace, direct: Workspace) -> None:
    assert arrays_of(raw) == arrays_of(direct)
    for table in ("recordings", "cines", "quarantine"):
        assert [f.name for f in table_files(raw.data, table)] == [f.name for f in table_files(direct.data, table)]
        here, there = (_without_file(read_table(place.data, table)) for place in (raw, direct))
        assert here.equals(there), table
    for file in sorted((raw.data / "tables").glob("*.parquet")):
        assert pq.read_table(file).equals(pq.read_table(direct.data / "tables" / file.name)), file.name


def _without_file(table: pa.Table) -> pa.Table:
    return table.drop_columns(OF_THE_FILE)


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("files")
    simulate_cohort(folder / "raw", CONFIG, workers=2)
    place = small_workspace(folder / "workspace")
    run_ingest(place, folder / "raw", workers=1)
    return place


@dataclass(frozen=True)
class Direct:
    """One run straight into a workspace, and its summary."""

    out: Path
    place: Workspace
    summary: SimulationSummary
    report: IngestReport
    progress: list[tuple[int, int]]


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Direct:
    folder = tmp_path_factory.mktemp("direct")
    place, seen = small_workspace(folder / "workspace"), []
    summary, report = simulate_into(
        folder / "raw", CONFIG, place, workers=1, on_progress=lambda done, of: seen.append((done, of))
    )
    return Direct(folder / "raw", place, summary, report, seen)


def test_arrays_and_tables_are_those_of_raw_files(from_files: Workspace, direct: Direct) -> None:
    compare(from_files, direct.place)


def test_corruptions_end_as_their_files_would(tmp_path: Path) -> None:
    simulate_cohort(tmp_path / "raw", CORRUPTED)
    raw, place = small_workspace(tmp_path / "one"), small_workspace(tmp_path / "two")
    expected = run_ingest(raw, tmp_path / "raw", workers=1)
    _, report = simulate_into(tmp_path / "tables", CORRUPTED, place, workers=1)
    compare(raw, place)
    assert [kind.quarantined for kind in report.kinds] == [kind.quarantined for kind in expected.kinds]
    assert sum(sum(kind.quarantined.values()) for kind in report.kinds) > 0


def test_the_count_of_every_kind_adds_up(direct: Direct) -> None:
    kinds = direct.report.kinds
    assert [kind.expected for kind in kinds] == [direct.summary.ecg_files, direct.summary.cine_files]
    assert all(kind.skipped["withdrawn"] > 0 for kind in kinds)
    for kind in kinds:
        assert kind.expected == kind.written + sum(kind.skipped.values()) + sum(kind.quarantined.values())
    assert direct.progress[-1] == (sum(kind.written for kind in kinds),) * 2


def test_rows_describe_their_recipe_and_no_file(direct: Direct) -> None:
    out, place = direct.out, direct.place
    assert not [path for path in out.rglob("*") if path.suffix in {".xml", ".zip"}]
    rows = [row for table in ("recordings", "cines") for row in read_table(place.data, table).to_pylist()]
    assert len({row["file_sha256"] for row in rows}) == len(rows)
    for row in rows:
        assert str(row["eid"]) in row["path"]
        assert len(row["file_sha256"]) == 64
        assert 100 < row["file_bytes"] < 300


def test_again_changes_nothing_and_renders_nothing(direct: Direct) -> None:
    out, place = direct.out, direct.place
    before = {path: path.stat().st_mtime_ns for path in place.data.rglob("*") if path.is_file()}
    summary, report = simulate_into(out, CONFIG, place, workers=1)
    assert summary.reused
    assert not report.is_changed
    assert all(kind.written == 0 for kind in report.kinds)
    assert {path: path.stat().st_mtime_ns for path in place.data.rglob("*") if path.is_file()} == before


def test_a_kill_between_commits_leaves_what_the_next_run_completes(tmp_path: Path, direct: Direct) -> None:
    place = small_workspace(tmp_path / "workspace")
    command = [sys.executable, "-c", COMMAND, str(tmp_path / "raw"), str(place.root), CONFIG.model_dump_json()]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 1200
    while process.poll() is None and not table_files(place.data, "cines") and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    simulate_into(tmp_path / "raw", CONFIG, place, workers=2)
    assert tree_of(place.data) == tree_of(direct.place.data)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    place = small_workspace(tmp_path / "workspace")
    with writing(place.state, "ingest"), pytest.raises(LockedError, match="being written by"):
        simulate_into(tmp_path / "raw", CONFIG, place, workers=1)


def test_a_folder_of_raw_files_is_not_taken_for_one_of_tables(
    tmp_path: Path, direct: Direct, small_cohort: tuple[Path, object], small_config: SimulationConfig
) -> None:
    with pytest.raises(ConfigError, match="expected its tables"):
        simulate_into(small_cohort[0], small_config, small_workspace(tmp_path / "workspace"))
    with pytest.raises(ConfigError, match="expected its files"):
        simulate_cohort(direct.out, CONFIG)


def test_a_changed_recipe_gets_new_slots(tmp_path: Path, direct: Direct) -> None:
    place = Workspace(shutil.copytree(direct.place.root, tmp_path / "workspace"))
    simulate_tables(tmp_path / "tables", OTHER)
    report = run_ingest(place, SimulatedCohort(tmp_path / "tables", OTHER), workers=1)
    assert all(kind.changed == kind.written > 0 for kind in report.kinds)
    # The note of the first recipe is still there, but no longer the whole truth.
    refused(direct.out, CONFIG, place, "data of another origin")


def refused(out: Path, config: SimulationConfig, place: Workspace, message: str) -> None:
    """Both the plan and the run refuse, and leave everything under the workspace and `out` as it was."""
    before = tree_of(place.root), tree_of(out) if out.exists() else None
    with pytest.raises(ConfigError, match=message):
        plan_simulation_into(out, config, place)
    with pytest.raises(ConfigError, match="eccl init FOLDER"):
        simulate_into(out, config, place, workers=1)
    assert (tree_of(place.root), tree_of(out) if out.exists() else None) == before


def test_a_workspace_of_another_recipe_is_refused(tmp_path: Path, direct: Direct) -> None:
    refused(tmp_path / "tables", OTHER, direct.place, "another simulated cohort")
    refused(tmp_path / "tables", CONFIG.model_copy(update={"seed": 24}), direct.place, "another simulated cohort")
    assert not (tmp_path / "tables").exists()


def test_a_workspace_of_ingested_files_is_refused(tmp_path: Path, from_files: Workspace) -> None:
    refused(tmp_path / "tables", CONFIG, from_files, "data of another origin")


def test_files_ingested_later_are_not_taken_for_simulated(
    tmp_path: Path, direct: Direct, small_cohort: tuple[Path, object]
) -> None:
    place = Workspace(shutil.copytree(direct.place.root, tmp_path / "workspace"))
    run_ingest(place, small_cohort[0], workers=1)
    refused(direct.out, CONFIG, place, "data of another origin")


def test_tables_alone_are_data(tmp_path: Path, direct: Direct) -> None:
    place = small_workspace(tmp_path / "workspace")
    place.tables.mkdir(parents=True)
    shutil.copy(direct.place.tables / "participants.parquet", place.tables)
    refused(tmp_path / "tables", CONFIG, place, "participants: 1")


def test_the_plan_counts_what_the_run_writes(tmp_path: Path, direct: Direct) -> None:
    place = small_workspace(tmp_path / "workspace")
    assert plan_simulation_into(tmp_path / "tables", CONFIG, place) == direct.summary
    planned = plan_simulation(tmp_path / "raw", CORRUPTED)
    assert [path.name for path in tmp_path.rglob("*")] == ["workspace", "params.yaml"]
    assert planned == simulate_cohort(tmp_path / "raw", CORRUPTED)
    rows = list(csv.DictReader((tmp_path / "raw" / "truth.txt").read_text().splitlines()))
    assert [sum(row["kind"] == kind for row in rows) for kind in ("ecg", "cine")] == [
        planned.ecg_files,
        planned.cine_files,
    ]
    assert sum(row["corruption"] != "none" for row in rows) == sum(count.files for count in planned.corruptions) > 0


def test_no_id_in_names_attributes_or_reports(direct: Direct) -> None:
    out, place = direct.out, direct.place
    eids = {row["eid"] for row in csv.DictReader((out / "truth.txt").read_text().splitlines())}
    texts = [path.name for path in place.data.rglob("*")] + [f.read_text() for f in place.data.rglob("zarr.json")]
    texts.append((out / "simulation.json").read_text())
    assert not any(eid in text for eid in eids for text in texts)
    assert min(map(int, eids)) >= 9_000_000


def test_one_slice_alone_is_the_slice_of_the_whole_stack() -> None:
    person = next(person for person in plan_cohort(CONFIG).people if person.imaging.has_cine)
    scan = draw_cine_file(CONFIG, person, person.imaging).scan
    alone = scan.render(1)
    assert (scan.record().frames[1] == alone).all()
    assert (scan.render(0) != alone).any()


def test_withdrawn_participants_are_left_out_at_the_door(direct: Direct) -> None:
    out, place = direct.out, direct.place
    withdrawn = {int(line) for line in (out / "w99999_20250101.csv").read_text().split()}
    found = SimulatedCohort(out, CONFIG).discover()
    assert withdrawn
    assert not withdrawn & {file.eid for files in found.files.values() for file in files}
    assert not withdrawn & set(read_table(place.data, "cines", ["eid"]).column(0).to_pylist())
