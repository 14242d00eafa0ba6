"""Tainted runs, by the split of their feature rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from eccl.data import database
from eccl.data.parts import write_parquet
from eccl.withdrawal.features import find_tainted
from eccl.workspace import Workspace

TRAIN, VAL, TEST, LATER = 9_000_001, 9_000_002, 9_000_003, 9_000_004
PARENTS = {
    "pretrain_ecg": (),
    "pretrain_cmr-I50": (),
    "align-I50": ("pretrain_ecg", "pretrain_cmr-I50"),
    "align-I21": (),
    "heir": ("align-I50",),
}


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """Runs whose features name a participant of each split, and one that was materialized later."""
    found = Workspace(tmp_path)
    for run, parents in PARENTS.items():
        found.run_folder(run).mkdir(parents=True)
        content = {
            "run": run,
            "run_id": f"{run}-id",
            "data_version": "v",
            "parents": [{"run_id": f"{one}-id"} for one in parents],
        }
        (found.run_folder(run) / "run.json").write_text(json.dumps(content))
    rows = pa.table({"eid": [TRAIN, VAL, TEST], "split": ["train", "val", "test"]})
    write_parquet(rows, found.features / "cmr_embedding/pretrain_cmr-I50.parquet")
    write_parquet(rows.slice(2), found.features / "ecg_embedding/align-I21.parquet")
    write_parquet(rows, found.features / "ecg_embedding/align-I50.parquet")
    write_parquet(rows.slice(2), found.features / "ecg_embedding/heir.parquet")
    later = pa.table({"eid": [LATER], "split": ["train"]})
    write_parquet(later, found.features / "materialized/align-I50/w/ecg_embedding.parquet")
    splits = pa.table(
        {"eid": [TRAIN, VAL, TEST, LATER], "bucket": [0.1, 0.7, 0.9, 0.2], "split": ["train", "val", "test", "train"]}
    )
    database.write_table(found.data, "splits", splits)
    return found


def record(place: Workspace, eids: list[int]) -> None:
    """Give participants a recording: what the masked autoencoder saw."""
    rows = pa.table({"eid": eids, "instance": [2] * len(eids), "row": list(range(len(eids)))})
    write_parquet(rows, place.tables / "recordings/part-00000.parquet")


@pytest.mark.parametrize(
    ("gone", "tainted"),
    [
        ([TRAIN], {"pretrain_ecg": "trained", "pretrain_cmr-I50": "trained", "align-I50": "trained", "heir": "parent"}),
        (
            [VAL],
            {"pretrain_ecg": "selected", "pretrain_cmr-I50": "selected", "align-I50": "selected", "heir": "parent"},
        ),
        (
            [VAL, TRAIN],
            {"pretrain_ecg": "trained", "pretrain_cmr-I50": "trained", "align-I50": "trained", "heir": "parent"},
        ),
        ([TEST], {}),
        ([9_999_999], {}),
    ],
)
def test_trained_selected_scored(gone: list[int], tainted: dict[str, str], place: Workspace) -> None:
    record(place, [TRAIN, VAL, TEST])
    found = find_tainted(place, gone)
    assert {one["run"]: one["how"] for one in found} == tainted
    assert all(one["run_id"] == f"{one['run']}-id" for one in found)


def test_materialized_rows_do_not_taint(place: Workspace) -> None:
    record(place, [TRAIN])
    assert find_tainted(place, [LATER]) == []


def test_without_a_recording_the_autoencoder_did_not_see_them(place: Workspace) -> None:
    record(place, [VAL])
    assert "pretrain_ecg" not in {one["run"] for one in find_tainted(place, [TRAIN])}
