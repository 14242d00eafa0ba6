"""The laws of ingestion, on a simulated cohort with its corruptions."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from eccl.data import arrays
from eccl.data.lock import writing
from eccl.data.parts import read_table, table_files
from eccl.errors import ChecksumError, ConfigError, LockedError, WorkspaceError
from eccl.ingest.run import run_ingest, session
from eccl.workspace import Workspace
from tests.support.workspaces import copy_all, tree_of

MakeWorkspace = Callable[..., Workspace]


def test_every_file_is_accounted_for(raw_cohort: Path, new_workspace: MakeWorkspace) -> None:
    report = run_ingest(new_workspace(), raw_cohort, workers=1)
    for kind, pattern in zip(report.kinds, ("*_20205_*.xml", "*_20209_*.zip"), strict=True):
        files = len(list(raw_cohort.rglob(pattern)))
        assert kind.expected == files > 0
        assert kind.written + sum(kind.skipped.values()) + sum(kind.quarantined.values()) == files
        assert kind.written > 0


def test_committed_slots_read_back_to_their_checksums(ingested: Workspace) -> None:
    for table, name, column in (
        ("recordings", "ecg.zarr/raw", "raw_sha256"),
        ("recordings", "ecg.zarr/clean", "clean_sha256"),
        ("cines", "cine.zarr/frames", "frames_sha256"),
    ):
        rows = read_table(ingested.data, table, ["row", column])
        assert arrays.verify_rows(ingested.data, name, rows.column(0).to_pylist(), rows.column(1).to_pylist()) == []


def test_corruptions_end_as_simulated(raw_cohort: Path, ingested: Workspace) -> None:
    with (raw_cohort / "truth.txt").open() as stream:
        truth = [row for row in csv.DictReader(stream) if row["corruption"] != "none"]
    refused = {(r["kind"], r["eid"], r["instance"]): r["reason"] for r in _quarantined(ingested)}
    written = {("ecg", r["eid"], r["instance"]) for r in read_table(ingested.data, "recordings").to_pylist()}
    written |= {("cine", r["eid"], r["instance"]) for r in read_table(ingested.data, "cines").to_pylist()}
    withdrawn = {int(line) for line in (next(raw_cohort.glob("w*.csv"))).read_text().split()}
    checked = 0
    for row in truth:
        key = (row["kind"], int(row["eid"]), int(row["instance"]))
        if key[1] in withdrawn:
            continue
        checked += 1
        verdict, _, reason = row["expected"].partition(":")
        if verdict == "quarantined":
            assert refused.get(key) == reason, f"{row['corruption']} ended as {refused.get(key, 'written')}"
        else:
            assert key in written, f"{row['corruption']} was refused as {refused.get(key)}"
    assert checked > 3


def test_ingesting_again_changes_no_byte(raw_cohort: Path, ingested: Workspace, tmp_path: Path) -> None:
    place = copy_all(ingested, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in place.data.rglob("*") if path.is_file()}
    report = run_ingest(place, raw_cohort, workers=1)
    assert {path: path.stat().st_mtime_ns for path in place.data.rglob("*") if path.is_file()} == before
    assert not report.is_changed
    assert all(kind.written == 0 for kind in report.kinds)
    assert "nothing changed" in report.describe()


@pytest.mark.slow
def test_two_machines_make_the_same_bytes(raw_cohort: Path, ingested: Workspace, new_workspace: MakeWorkspace) -> None:
    other = new_workspace()
    run_ingest(other, raw_cohort, workers=1)
    assert tree_of(other.data) == tree_of(ingested.data)


@pytest.mark.slow
def test_flat_and_nested_folders_give_the_same_slots(
    raw_cohort: Path, ingested: Workspace, new_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    flat = tmp_path / "flat folder"
    flat.mkdir()
    for path in raw_cohort.rglob("*"):
        if path.is_file():
            shutil.copy(path, flat / path.name)
    other = new_workspace()
    run_ingest(other, flat, workers=1)
    for table in ("recordings", "cines"):
        here, there = (read_table(place.data, table).drop_columns(["path"]) for place in (ingested, other))
        assert here.equals(there)


def test_a_withdrawn_participant_is_nowhere(raw_cohort: Path, ingested: Workspace) -> None:
    withdrawn = {int(line) for line in (next(raw_cohort.glob("w*.csv"))).read_text().split()}
    assert withdrawn
    for table in sorted((ingested.data / "tables").rglob("*.parquet")):
        schema = pq.read_schema(table)
        if "eid" in schema.names:
            assert not withdrawn & set(pq.read_table(table, columns=["eid"]).column(0).to_pylist()), table.name


@pytest.mark.slow
def test_a_later_withdrawal_list_removes_rows_but_not_slots(
    raw_cohort: Path, new_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(raw_cohort, raw)
    place = new_workspace()
    run_ingest(place, raw, workers=1)
    gone = read_table(place.data, "pairs", ["eid"]).column(0).to_pylist()[0]
    (raw / "w99999_20260101.csv").write_text(f"{gone}\r\n")
    report = run_ingest(place, raw, workers=1)
    assert report.tabular.left_in_arrays > 0
    assert "visits of withdrawn participants are still in the arrays" in report.describe()
    for table in ("participants", "visits", "traits", "diagnoses", "splits", "labels", "pairs"):
        assert gone not in read_table(place.data, table, ["eid"]).column(0).to_pylist(), table


def test_no_id_in_names_and_metadata(ingested: Workspace) -> None:
    eids = {str(eid) for eid in read_table(ingested.data, "participants", ["eid"]).column(0).to_pylist()}
    for path in ingested.data.rglob("*"):
        assert not any(eid in path.name for eid in eids)
        if path.name == "zarr.json":
            assert not any(eid in path.read_text() for eid in eids)


@pytest.mark.slow
def test_new_files_fill_the_tail_and_touch_nothing_else(
    raw_cohort: Path, new_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    some = tmp_path / "some"
    files = sorted(raw_cohort.rglob("*_20205_*.xml"))
    some.mkdir()
    for path in files[:6]:
        shutil.copy(path, some / path.name)
    place = new_workspace()
    run_ingest(place, some, workers=1)
    before = tree_of(place.data)
    rows = {(r["eid"], r["instance"]): r["row"] for r in read_table(place.data, "recordings").to_pylist()}
    for path in files[6:9]:
        shutil.copy(path, some / path.name)
    report = run_ingest(place, some, workers=1)
    after = tree_of(place.data)
    assert report.is_changed
    first_shards = [name for name in before if name.startswith("ecg.zarr") and "/c/0/" in name]
    assert first_shards
    assert all(after[name] == before[name] for name in first_shards)
    now = {(r["eid"], r["instance"]): r["row"] for r in read_table(place.data, "recordings").to_pylist()}
    assert all(now[visit] == row for visit, row in rows.items())


def test_a_changed_file_gets_a_new_slot(raw_cohort: Path, new_workspace: MakeWorkspace, tmp_path: Path) -> None:
    some = tmp_path / "some"
    some.mkdir()
    good = [path for path in sorted(raw_cohort.rglob("*_20205_*.xml")) if path.stat().st_size > 100_000][:3]
    for path in good:
        shutil.copy(path, some / path.name)
    place = new_workspace()
    run_ingest(place, some, workers=1)
    before = read_table(place.data, "recordings").to_pylist()
    changed = some / Path(before[0]["path"]).name
    changed.write_bytes(changed.read_bytes().replace(b'<LowPass units="Hz">100<', b'<LowPass units="Hz">150<'))
    report = run_ingest(place, some, workers=1)
    after = {(r["eid"], r["instance"]): r for r in read_table(place.data, "recordings").to_pylist()}
    now = after[before[0]["eid"], before[0]["instance"]]
    assert report.kinds[0].changed == 1
    assert (now["row"], now["low_pass_hz"]) == (max(r["row"] for r in before) + 1, 150.0)
    assert len(after) == len(before)
    history = sum(pq.read_metadata(path).num_rows for path in table_files(place.data, "recordings"))
    assert history == len(before) + 1


def test_committing_a_batch_twice_is_committing_it_once(
    raw_cohort: Path, ingested: Workspace, new_workspace: MakeWorkspace
) -> None:
    place = new_workspace()
    with session(place, raw_cohort) as work:
        for batch in work.batches:
            work.work(batch)
        work.finish([work.work(batch) for batch in work.batches])
    assert tree_of(place.data) == tree_of(ingested.data)


@pytest.mark.slow
def test_a_file_quarantined_twice_is_not_read_again(new_workspace: MakeWorkspace, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    file = raw / "9000001_20205_2_0.xml"
    place = new_workspace()
    for content in ("<a/>", "<bb/>"):
        file.write_text(content)
        run_ingest(place, raw, workers=1)
    report = run_ingest(place, raw, workers=1)
    assert not report.is_changed
    assert report.kinds[0].skipped == {"quarantined before": 1}
    assert [row["file_bytes"] for row in read_table(place.data, "quarantine").to_pylist()] == [5]
    assert run_ingest(place, raw, workers=1, retry=True).kinds[0].quarantined == {"ecg_unknown_dialect": 1}


@pytest.mark.slow
def test_a_corrected_file_leaves_quarantine(raw_cohort: Path, new_workspace: MakeWorkspace, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    good = max(raw_cohort.rglob("*_20205_*.xml"), key=lambda path: path.stat().st_size)
    (raw / good.name).write_bytes(good.read_bytes()[:2000])
    place = new_workspace()
    assert run_ingest(place, raw, workers=1).kinds[0].quarantined == {"xml_malformed": 1}
    shutil.copy(good, raw)
    assert run_ingest(place, raw, workers=1).kinds[0].written == 1
    assert read_table(place.data, "quarantine").num_rows == 0
    assert [row["reason"] for row in read_table(place.data, "exclusions").to_pylist()] == ["no_cine"]


@pytest.mark.slow
def test_restored_older_tables_are_written_again(
    raw_cohort: Path, ingested: Workspace, new_workspace: MakeWorkspace
) -> None:
    place = new_workspace()
    run_ingest(place, raw_cohort, workers=1)
    traits = read_table(place.data, "traits")
    pq.write_table(traits.slice(0, 10), place.data / "tables" / "traits.parquet")
    run_ingest(place, raw_cohort, workers=1)
    assert tree_of(place.data) == tree_of(ingested.data)


@pytest.mark.slow
def test_a_dangling_link_is_one_refused_file(raw_cohort: Path, new_workspace: MakeWorkspace, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copy(max(raw_cohort.rglob("*_20205_*.xml"), key=lambda path: path.stat().st_size), raw)
    (raw / "9000002_20205_2_0.xml").symlink_to(tmp_path / "nowhere.xml")
    (raw / "table.csv").symlink_to(tmp_path / "nowhere.csv")
    report = run_ingest(new_workspace(), raw, workers=1)
    assert (report.kinds[0].written, report.kinds[0].quarantined) == (1, {"unreadable": 1})
    assert report.tabular.quarantined == {"unreadable": 2}


def test_a_misnamed_withdrawal_list_stops_the_ingest(new_workspace: MakeWorkspace, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "w99999_2025-01-01.csv").write_text("9000001\r\n9000002\r\n")
    with pytest.raises(WorkspaceError, match="withdrawal lists"):
        run_ingest(new_workspace(), raw, workers=1)


@pytest.mark.slow
def test_no_participant_moves_to_another_split(raw_cohort: Path, new_workspace: MakeWorkspace) -> None:
    place = new_workspace()
    run_ingest(place, raw_cohort, workers=1)
    text = place.params_file.read_text()
    place.params_file.write_text(text.replace("split_key: eccl", "split_key: other"))
    with pytest.raises(ConfigError, match="would move to another split"):
        run_ingest(place, raw_cohort, workers=1)


def test_a_second_ingest_at_once_is_refused(raw_cohort: Path, new_workspace: MakeWorkspace) -> None:
    place = new_workspace()
    with writing(place.state, "ingest"), pytest.raises(LockedError, match="being written by"):
        run_ingest(place, raw_cohort, workers=1)


@pytest.mark.slow
def test_a_damaged_shard_is_noticed(raw_cohort: Path, ingested: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(ingested.data, copy)
    (shard,) = (copy / "ecg.zarr/raw/c/0").rglob("0/0")
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0xFF
    shard.write_bytes(content)
    rows = read_table(copy, "recordings", ["row", "raw_sha256"]).slice(0, 4)
    try:
        wrong = arrays.verify_rows(copy, "ecg.zarr/raw", rows.column(0).to_pylist(), rows.column(1).to_pylist())
    except ChecksumError:  # the codec noticed before the checksum could
        wrong = rows.column(0).to_pylist()
    assert wrong


def _quarantined(place: Workspace) -> list[dict[str, object]]:
    found: list[dict[str, object]] = read_table(place.data, "quarantine").to_pylist()
    return found
