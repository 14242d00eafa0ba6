"""A withdrawal removes rows from data, features, stores, caches and raw files, and changes no other row."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from eccl.data.arrays import open_array, read_rows
from eccl.data.parts import data_version, read_table, table_files
from eccl.errors import WithdrawalError, WorkspaceError
from eccl.features.materialized import is_covered
from eccl.ingest.run import run_ingest
from eccl.ledger.certificates import read_certificates
from eccl.ledger.exports import record_export
from eccl.ledger.releases import read_ledger
from eccl.ledger.tombstones import Tombstones
from eccl.publishing.publish import publish
from eccl.quality.checks import check_slots
from eccl.quality.gate import run_gate
from eccl.versioning.gate import require_passed_gate
from eccl.withdrawal.run import plan_withdrawal, withdraw
from eccl.workspace import Workspace
from tests.support.workspaces import tree_of
from tests.withdrawal.conftest import STRANGER, Study, copy_study, export_pairs, remember

ARRAYS = {"ecg.zarr/raw": "ecg", "ecg.zarr/clean": "ecg", "cine.zarr/frames": "cine"}


@pytest.fixture(scope="module")
def cleaned(complete: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study after the withdrawal; tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECCL_TOMBSTONE_KEY", "5a" * 32)
        study = copy_study(complete, tmp_path_factory.mktemp("cleaned") / "study")
        remember(study.place, study.raw)
        outcome = withdraw(study.place, study.listed, study.raw)
        assert outcome.certificate
        assert outcome.certificate.content["search"]["found"] == []
    return study


def digits_left(folder: Path, gone: frozenset[int]) -> list[str]:
    """Files below a folder with an id in their path or bytes; no code of the package is asked."""
    pattern = re.compile(rb"(?<!\d)(" + b"|".join(str(eid).encode() for eid in gone) + rb")(?!\d)")
    return [
        str(path)
        for path in folder.rglob("*")
        if pattern.search(str(path.relative_to(folder)).encode())
        or (path.is_file() and not path.name.startswith("w9") and pattern.search(path.read_bytes()))
    ]


def values_left(folder: Path, gone: frozenset[int]) -> list[str]:
    """Parquet and DuckDB files below a folder in which some value is or holds an id, in any column."""
    found = []
    texts = "|".join(map(str, gone))
    for path in [*folder.rglob("*.parquet"), *folder.rglob("*.duckdb")]:
        con = duckdb.connect()
        if path.suffix == ".parquet":
            tables = [f"read_parquet('{path}')"]
        else:
            con.execute(f"ATTACH '{path}' AS s (READ_ONLY)").fetchall()
            names = con.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 's'"
            ).fetchall()
            tables = [f's."{schema}"."{name}"' for schema, name in names]
            assert len(tables) > 15
        for table in tables:
            for (column,) in con.execute(f"SELECT column_name FROM (DESCRIBE FROM {table})").fetchall():
                query = f"""SELECT count(*) FROM {table} WHERE regexp_matches("{column}"::VARCHAR, '(^|[^0-9])({texts})([^0-9]|$)')"""
                if column not in {"vector", "file_bytes"} and con.execute(query).fetchall()[0][0]:
                    found.append(f"{path.name} {table[-30:]} {column}")
        con.close()
    return found


def test_the_search_of_these_tests_sees_what_must_go(complete: Study) -> None:
    assert digits_left(complete.raw, complete.gone)
    assert values_left(complete.place.root, complete.gone)
    assert digits_left(complete.place.root, complete.gone)


def test_no_byte_and_no_value_remains(cleaned: Study) -> None:
    for folder in (cleaned.place.root, cleaned.raw):
        assert digits_left(folder, cleaned.gone | {STRANGER}) == []
        assert values_left(folder, cleaned.gone | {STRANGER}) == []
    assert not (cleaned.place.state / "withdrawal.json").exists()
    assert not list(cleaned.place.checkpoints.glob("*"))


def test_no_sha256_of_their_files_remains(complete: Study, cleaned: Study) -> None:
    hashes = {
        row["file_sha256"]
        for table in ("recordings", "cines")
        for row in read_table(complete.place.data, table).to_pylist()
        if row["eid"] in complete.gone
    }
    assert hashes
    for path in cleaned.place.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(digest.encode() in content for digest in hashes), path


def test_others_keep_every_row_and_slot(complete: Study, cleaned: Study) -> None:
    for file in sorted(complete.place.tables.rglob("*.parquet")):
        before = pq.read_table(file).to_pylist()
        left = [row for row in before if row.get("eid") not in complete.gone]
        now = cleaned.place.tables / file.relative_to(complete.place.tables)
        assert (pq.read_table(now).to_pylist() if now.is_file() else []) == left
    assert {row.success for row in check_slots(cleaned.place, 0)} == {True}


@pytest.mark.slow
def test_data_is_what_an_ingest_without_them_makes_in_the_same_slots(cleaned: Study, tmp_path: Path) -> None:
    fresh = Workspace(tmp_path / "fresh")
    fresh.tables.mkdir(parents=True)
    shutil.copy(cleaned.place.params_file, fresh.root)
    shutil.copy(cleaned.place.tables / "deletions.parquet", fresh.tables)
    run_ingest(fresh, cleaned.raw, workers=1)
    assert tree_of(cleaned.place.data) == tree_of(fresh.data)


def test_only_touched_shards_and_their_parts_change(complete: Study, cleaned: Study) -> None:
    before, after = tree_of(complete.place.data), tree_of(cleaned.place.data)
    changed = {name for name in before if after.get(name) != before[name]}
    touched = set()
    for array, kind in ARRAYS.items():
        size = open_array(complete.place.data, array).shard_rows
        table = "recordings" if kind == "ecg" else "cines"
        for row in read_table(complete.place.data, table).to_pylist():
            if row["eid"] in complete.gone:
                touched |= {(array, row["row"] // size), (table, row["row"] // size)}
    for name in before:
        if "/c/" in name:
            array, shard = name.split("/c/")[0], int(name.split("/c/")[1].split("/")[0])
            assert (name in changed) == ((array, shard) in touched), name
        if "/part-" in name:
            assert (name in changed) == ((name.split("/")[1], int(name[-13:-8])) in touched), name
    assert any("/c/" in name and name not in changed for name in before)
    assert not any(name.endswith("zarr.json") for name in changed)


def test_slots_read_as_zeros_and_stand_in_deletions(complete: Study, cleaned: Study) -> None:
    deletions = read_table(cleaned.place.data, "deletions").to_pylist()
    assert {row["certificate"] for row in deletions} == {"2026-03-01-1"}
    for array, kind in ARRAYS.items():
        rows = [row["row"] for row in deletions if row["modality"] == kind]
        assert rows
        assert not read_rows(cleaned.place.data, array, rows).any()
    refused = {
        (r["kind"], r["row"])
        for r in read_table(complete.place.data, "quarantine").to_pylist()
        if r["eid"] in complete.gone
    }
    assert refused
    assert refused <= {(row["modality"], row["row"]) for row in deletions}


@pytest.mark.slow
def test_a_later_ingest_of_the_same_raw_files_skips_them(
    cleaned: Study, raw_cohort: Path, tmp_path: Path, complete: Study
) -> None:
    study = copy_study(cleaned, tmp_path / "again")
    before = tree_of(study.place.data)
    report = run_ingest(study.place, raw_cohort, workers=1)
    assert report.kinds[0].skipped["withdrawn"] + report.kinds[1].skipped["withdrawn"] > 4
    assert values_left(study.place.data, study.gone) == []
    now = tree_of(study.place.data)
    # Only what was refused of whole tables may differ: the exports are those of before.
    assert {name for name in before | now if before.get(name) != now.get(name)} <= {"tables/quarantine/table.parquet"}


@pytest.mark.slow
def test_a_new_participant_gets_no_deleted_slot(cleaned: Study, tmp_path: Path) -> None:
    study = copy_study(cleaned, tmp_path / "more")
    donor = read_table(study.place.data, "recordings").to_pylist()[0]["path"]
    shutil.copy(study.raw / donor, study.raw / "9000007_20205_2_0.xml")
    run_ingest(study.place, study.raw, workers=1)
    row = next(r["row"] for r in read_table(study.place.data, "recordings").to_pylist() if r["eid"] == 9000007)
    deletions = {r["row"] for r in read_table(study.place.data, "deletions").to_pylist() if r["modality"] == "ecg"}
    assert row not in deletions
    assert row > max(deletions)


def test_features_lose_their_rows_and_stay_valid(complete: Study, cleaned: Study) -> None:
    files = sorted(complete.place.features.rglob("*.parquet"))
    assert len({file.parent.name for file in files if "materialized" not in file.parts}) == 9
    for file in files:
        rows = pq.read_table(file)
        left = [row for row in rows.to_pylist() if row["eid"] not in complete.gone]
        now = pq.read_table(cleaned.place.features / file.relative_to(complete.place.features))
        assert now.schema == rows.schema
        assert now.to_pylist() == left
        assert len(left) < rows.num_rows
    version = data_version(cleaned.place.data)
    for file in cleaned.place.models.glob("*/run.json"):
        run = json.loads(file.read_text())
        has_features = any(cleaned.place.features.glob(f"*/{run['run']}.parquet"))
        covered = is_covered(cleaned.place.features, run["run"], run["run_id"], run["data_version"], version)
        assert covered == has_features
    record = json.loads((cleaned.place.features / "materialized/align-I50" / version / "record.json").read_text())
    assert record["reason"] == "withdrawal"
    assert (
        record["visits_with_after"]["ecg_embedding"]
        == record["visits"]["ecg_embedding"]
        < record["visits_with_before"]["ecg_embedding"]
    )


def test_models_that_saw_them_are_tainted(cleaned: Study) -> None:
    (certificate,) = read_certificates(cleaned.place)
    named = {run_id.rpartition("-")[0]: how for run_id, how in certificate.tainted.items()}
    assert named == dict.fromkeys(
        ("pretrain_ecg", "pretrain_cmr-traits", "pretrain_cmr-I50", "align-traits", "align-I50"), "trained"
    )
    publish(cleaned.place)
    with duckdb.connect(str(cleaned.place.database), read_only=True) as con:
        assert {str(row[0]) for row in con.execute("SELECT tainted_since FROM runs").fetchall()} == {"2026-03-01"}


def test_stores_keep_their_shape(complete: Study, cleaned: Study) -> None:
    (old,) = complete.place.releases.glob("*.duckdb")
    new = cleaned.place.releases / old.name
    assert new.stat().st_mode & 0o777 == 0o444
    shapes = []
    for file in (old, new):
        with duckdb.connect(str(file), read_only=True) as con:
            shape = con.execute(
                "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() ORDER BY ALL"
            ).fetchall()
            shape += con.execute(
                "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
            ).fetchall()
            shape += con.execute(
                "SELECT function_name FROM duckdb_functions() WHERE NOT internal ORDER BY ALL"
            ).fetchall()
            shape += con.execute("SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL").fetchall()
            shapes.append(shape)
    assert shapes[0] == shapes[1]
    with duckdb.connect(str(new), read_only=True) as con:
        gone = ", ".join(map(str, complete.gone))
        con.execute(f"ATTACH '{old}' AS old (READ_ONLY)").fetchall()
        for table in ("pairs", "traits", "features.ecg_embedding", "slots"):
            name = table if "." in table else f"main.{table}"
            lost = con.execute(f"FROM old.{name} WHERE eid NOT IN ({gone}) EXCEPT ALL FROM {name}").fetchall()
            added = con.execute(f"FROM {name} EXCEPT ALL FROM old.{name}").fetchall()
            assert (lost, added) == ([], []), table
        assert con.execute("SELECT count(*) FROM deletions").fetchall()[0][0] > 0
        assert con.execute("SELECT count(*) FROM lineage").fetchall()[0][0] > 0
    (release,) = [one for one in read_ledger(cleaned.place).releases if one.name == old.stem]
    assert release.redactions == ("2026-03-01-1",)


def test_raw_files_of_others_are_the_same_bytes(complete: Study, cleaned: Study) -> None:
    before, after = tree_of(complete.raw), tree_of(cleaned.raw)
    tables = {name for name in before if name.endswith((".csv", "truth.txt")) and not name.startswith("w9")}
    theirs = {name for name in before if any(str(eid) in name for eid in complete.gone)}
    assert theirs
    assert {name: digest for name, digest in before.items() if name not in theirs | tables} == {
        name: digest for name, digest in after.items() if name not in tables
    }
    for name in tables:
        old, new = ((folder / name).read_bytes().splitlines() for folder in (complete.raw, cleaned.raw))
        assert new == [line for line in old if not any(str(eid).encode() in line for eid in complete.gone)]
        assert len(new) < len(old)


def test_the_certificate_counts_and_holds_no_id(complete: Study, cleaned: Study) -> None:
    (certificate,) = read_certificates(cleaned.place)
    content = certificate.content
    assert (certificate.name, certificate.participants, content["withdrawn_on"]) == (
        "2026-03-01-1",
        len(complete.gone) + 1,
        "2026-03-01",
    )
    for section in ("tables", "arrays", "features", "releases"):
        assert content[section]
        for counts in content[section].values():
            assert counts["before"] - counts["removed"] == counts["after"]
    participants = content["tables"]["participants"]
    assert participants["removed"] == len(complete.gone)
    assert content["raw"]["files"] >= 5
    assert content["raw"]["rows"] >= 2 * len(complete.gone)
    text = (cleaned.place.ledger / "withdrawals/2026-03-01-1.md").read_text()
    assert "No trace was found." in text
    assert (
        f"| tables: participants | {participants['before']} | {participants['removed']} | {participants['after']} |"
        in text
    )


def test_a_dry_run_writes_nothing(study: Study) -> None:
    before = tree_of(study.place.root.parent)
    plan = plan_withdrawal(study.place, study.listed, study.raw)
    assert plan.traces > 50
    assert tree_of(study.place.root.parent) == before


@pytest.mark.slow
def test_a_list_without_new_participants_changes_nothing(cleaned: Study, tmp_path: Path) -> None:
    study = copy_study(cleaned, tmp_path / "again")
    before = tree_of(study.place.data) | tree_of(study.place.ledger) | tree_of(study.place.releases)
    outcome = withdraw(study.place, study.listed, study.raw)
    assert outcome.certificate is None
    assert outcome.is_clean
    assert tree_of(study.place.data) | tree_of(study.place.ledger) | tree_of(study.place.releases) == before


@pytest.mark.slow
def test_restored_data_is_removed_again(complete: Study, cleaned: Study, tmp_path: Path) -> None:
    study = copy_study(cleaned, tmp_path / "again")
    shutil.rmtree(study.place.data)
    shutil.copytree(complete.place.data, study.place.data)
    # The state after `git checkout` and `dvc pull` of an older version: validation, training and publication are refused.
    for refusing in (publish, require_passed_gate, run_gate):
        with pytest.raises(WithdrawalError, match=f"data/ holds {len(study.gone)} withdrawn participants"):
            refusing(study.place)
    outcome = withdraw(study.place, study.listed, study.raw)
    assert outcome.certificate
    assert outcome.certificate.name == "2026-03-01-2"
    assert outcome.is_clean
    assert values_left(study.place.root, study.gone) == []


@pytest.mark.slow
def test_a_redacted_release_says_so_itself(cleaned: Study) -> None:
    for file in cleaned.place.releases.glob("*.duckdb"):
        with duckdb.connect(str(file), read_only=True) as con:
            found = con.execute("SELECT certificate, participants FROM withdrawals").fetchall()
        assert found == [("2026-03-01-1", len({*cleaned.gone, STRANGER}))]


@pytest.mark.slow
def test_an_export_named_by_an_id_is_listed_without_it(study: Study) -> None:
    eid = min(study.gone)
    out = study.place.root.parent / f"{eid}.csv"
    out.write_text(f"eid\n{eid}\n")
    record_export(study.place, out, "2026-01-01", has_eid=True, rows=1)
    outcome = withdraw(study.place, study.listed, study.raw)
    assert outcome.is_clean
    assert str(eid) not in (study.place.ledger / "exports.jsonl").read_text()
    assert "<id>.csv" in (study.place.ledger / "exports.jsonl").read_text()


@pytest.mark.slow
def test_a_list_of_tomorrow_is_of_today(study: Study) -> None:
    later = study.listed.with_name("w99999_20991231.csv")
    study.listed.rename(later)
    assert plan_withdrawal(study.place, later).since == date.today()


@pytest.mark.slow
def test_a_longer_list_withdraws_only_new_participants(cleaned: Study, tmp_path: Path) -> None:
    study = copy_study(cleaned, tmp_path / "next")
    left = read_table(study.place.data, "pairs", ["eid"]).column(0).to_pylist()[0]
    longer = tmp_path / "w99999_20260401.csv"
    longer.write_text(study.listed.read_text() + f"{left}\n")
    outcome = withdraw(study.place, longer, study.raw)
    assert outcome.certificate
    assert (outcome.certificate.name, outcome.certificate.participants) == ("2026-04-01-1", 1)
    tombstones = Tombstones.load(study.place)
    assert str(tombstones.since(left)) == "2026-04-01"
    assert str(tombstones.since(min(study.gone))) == "2026-03-01"


@pytest.mark.slow
def test_without_raw_the_raw_files_are_unchanged_as_certified(study: Study) -> None:
    before = tree_of(study.raw)
    outcome = withdraw(study.place, study.listed)
    assert outcome.certificate
    assert outcome.is_clean
    assert tree_of(study.raw) == before
    assert "Raw files were not changed" in (study.place.ledger / "withdrawals/2026-03-01-1.md").read_text()


def test_remaining_data_is_found_and_reported(study: Study) -> None:
    eid = min(study.gone)
    (study.place.root / "notes.txt").write_text(f"look at {eid} again\n")
    (study.raw / f"{eid}.hidden folder").mkdir()
    (study.raw / "letter.md").write_text(f"{eid}")
    outcome = withdraw(study.place, study.listed, study.raw)
    assert outcome.certificate
    assert not outcome.is_clean
    found = {(one["path"], one["what"]) for one in outcome.certificate.content["search"]["found"]}
    assert found == {("notes.txt", "an id among its bytes"), ("letter.md", "an id among its bytes")}


@pytest.mark.slow
def test_exports_are_listed_with_their_rows(study: Study) -> None:
    out = export_pairs(study)
    held = sum(eid in study.gone for eid in pq.read_table(out).column("eid").to_pylist())
    outcome = withdraw(study.place, study.listed, study.raw)
    assert outcome.certificate
    (export,) = outcome.certificate.content["exports"]
    assert held > 0
    assert (export["path"], export["withdrawn_rows"], export["is_there"]) == (str(out), held, True)


def test_a_list_that_cannot_be_read_touches_nothing(study: Study) -> None:
    before = tree_of(study.place.root)
    study.listed.write_text(f"{min(study.gone)}\nnobody\n")
    with pytest.raises(WorkspaceError, match="line 2"):
        withdraw(study.place, study.listed, study.raw)
    with pytest.raises(WorkspaceError, match="cannot be read"):
        withdraw(study.place, study.listed.with_name("nowhere.csv"))
    before.pop(".eccl/write.lock", None)
    after = tree_of(study.place.root)
    after.pop(".eccl/write.lock", None)
    assert after == before


@pytest.mark.slow
def test_commands_are_refused_without_the_key(
    cleaned: Study, raw_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = copy_study(cleaned, tmp_path / "lost")
    for value in ("", "00" * 32):
        monkeypatch.setenv("ECCL_TOMBSTONE_KEY", value)
        with pytest.raises(WithdrawalError, match="key"):
            run_ingest(study.place, raw_cohort, workers=1)
        with pytest.raises(WithdrawalError, match="key"):
            withdraw(study.place, study.listed)


@pytest.mark.slow
def test_a_workspace_without_data_keeps_them_away_from_the_start(
    complete: Study, raw_cohort: Path, tmp_path: Path
) -> None:
    place = Workspace(tmp_path / "empty")
    place.root.mkdir()
    shutil.copy(complete.place.params_file, place.root)
    outcome = withdraw(place, complete.listed)
    assert outcome.certificate
    assert outcome.certificate.participants == len(complete.gone) + 1
    run_ingest(place, raw_cohort, workers=1)
    assert values_left(place.data, complete.gone) == []
    assert np.all([file.is_file() for file in table_files(place.data, "recordings")])
