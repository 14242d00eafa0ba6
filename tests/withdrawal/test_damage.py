"""Damage, locks and bad lists stop a withdrawal with an error before data are lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from eccl.data.arrays import open_array
from eccl.data.lock import writing
from eccl.data.parts import read_table
from eccl.errors import ChecksumError, LockedError, WithdrawalError, WorkspaceError
from eccl.withdrawal.run import plan_withdrawal, resume, withdraw
from tests.support.workspaces import tree_of
from tests.withdrawal.conftest import Study
from tests.withdrawal.test_withdraw import values_left


def shard_of(study: Study, array: str) -> Path:
    """A shard with a record of a withdrawn participant and a record of another one."""
    size = open_array(study.place.data, array).shard_rows
    rows = read_table(study.place.data, "recordings", ["eid", "row"]).to_pylist()
    gone = {row["row"] // size for row in rows if row["eid"] in study.gone}
    kept = {row["row"] // size for row in rows if row["eid"] not in study.gone}
    return study.place.data / array / "c" / str(min(gone & kept)) / "0/0"


@pytest.mark.slow
def test_a_damaged_shard_is_not_rewritten(complete: Study, study: Study) -> None:
    shard = shard_of(study, "ecg.zarr/clean")
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(ChecksumError, match="eccl withdraw --resume"):
        withdraw(study.place, study.listed, study.raw)
    # `dvc checkout data.dvc` brings the whole older version back, rows included.
    shutil.rmtree(study.place.data)
    shutil.copytree(complete.place.data, study.place.data)
    assert resume(study.place).is_clean
    assert values_left(study.place.root, study.gone) == []


@pytest.mark.slow
def test_changed_parameters_do_not_block_a_withdrawal(study: Study) -> None:
    text = study.place.params_file.read_text()
    for old, new in (
        ("ecg_shard_rows: 4", "ecg_shard_rows: 8"),
        ("split_key: eccl", "split_key: other"),
        ("window_px: 112", "window_px: 96"),
    ):
        assert old in text
        text = text.replace(old, new)
    study.place.params_file.write_text(text)
    assert withdraw(study.place, study.listed, study.raw).is_clean


@pytest.mark.slow
def test_a_store_that_cannot_be_opened_stops_it_before_the_first_change(study: Study) -> None:
    (study.place.releases / "broken.duckdb").write_bytes(b"no store")
    before = tree_of(study.place.root)
    with pytest.raises(WithdrawalError, match=r"broken\.duckdb"):
        withdraw(study.place, study.listed, study.raw)
    assert tree_of(study.place.root) | {".eccl/write.lock": ""} == before | {".eccl/write.lock": ""}


@pytest.mark.slow
def test_a_reader_keeps_what_it_has_open(study: Study) -> None:
    with duckdb.connect(str(study.place.database), read_only=True) as con:
        before = con.execute("SELECT count(*) FROM pairs").fetchall()
        assert withdraw(study.place, study.listed).is_clean
        assert con.execute("SELECT count(*) FROM pairs").fetchall() == before
    with duckdb.connect(str(study.place.database), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM pairs").fetchall() < before


def test_a_second_writer_is_refused(study: Study) -> None:
    with writing(study.place.state, "ingest"), pytest.raises(LockedError, match="being written by"):
        withdraw(study.place, study.listed)


def test_short_ids_and_a_missing_raw_folder_are_refused(study: Study, tmp_path: Path) -> None:
    short = tmp_path / "w1_20260101.csv"
    short.write_text("42\n")
    with pytest.raises(WorkspaceError, match="fewer than 5 digits"):
        plan_withdrawal(study.place, short)
    with pytest.raises(WorkspaceError, match="no raw folder"):
        plan_withdrawal(study.place, study.listed, tmp_path / "nowhere")


def test_an_empty_list_changes_nothing(study: Study, tmp_path: Path) -> None:
    empty = tmp_path / "w1_20260101.csv"
    empty.touch()
    outcome = withdraw(study.place, empty)
    assert (outcome.certificate, outcome.is_clean) == (None, True)
    assert not (study.place.ledger / "tombstones.json").exists()


@pytest.mark.slow
def test_tables_without_arrays_lose_their_rows_all_the_same(study: Study) -> None:
    for array in ("ecg.zarr", "cine.zarr"):
        shutil.rmtree(study.place.data / array)
    assert withdraw(study.place, study.listed, study.raw).is_clean
    assert values_left(study.place.root, study.gone) == []
