"""What the stages read, and what they refuse to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from eccl.data.parts import read_table, write_parquet
from eccl.errors import ConfigError, FeatureError, GateError, VersionError
from eccl.features.files import read_features
from eccl.training.inputs import sources
from eccl.training.inputs.sources import ResidentArray
from eccl.training.inputs.visits import cine_visits, recording_visits
from eccl.training.runs import load_run
from eccl.training.session import open_session
from eccl.training.stages import align, pretrain_cmr, pretrain_ecg
from eccl.workspace import Workspace
from tests.support.tiny_workspace import Copy, train, write_gate


def test_masked_pretraining_reads_train_and_selects_on_val_and_never_touches_test(
    untrained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(untrained)
    read: list[int] = []
    with_gradient: set[int] = set()
    without: set[int] = set()
    true_read, true_batch = sources.read_rows, ResidentArray.batch

    def spy_read(data: Path, name: str, rows: np.ndarray) -> np.ndarray:
        assert name == "ecg.zarr/clean"
        read.extend(int(row) for row in rows)
        return true_read(data, name, rows)

    def spy_batch(self: ResidentArray, positions: np.ndarray) -> torch.Tensor:
        (with_gradient if torch.is_grad_enabled() else without).update(held[int(i)] for i in positions)
        return true_batch(self, positions)

    visits = recording_visits(workspace.data)
    split_of = dict(zip(visits.row.tolist(), visits.split.tolist(), strict=True))
    positions = np.concatenate([visits.select("train", (2, 3)), visits.select("val", (2, 3))])
    held = visits.row[positions].tolist()
    monkeypatch.setattr(sources, "read_rows", spy_read)
    monkeypatch.setattr(ResidentArray, "batch", spy_batch)
    pretrain_ecg.run(open_session(workspace, "pretrain_ecg", None))
    assert {split_of[row] for row in read} == {"train", "val"}
    assert {split_of[row] for row in with_gradient} == {"train"}
    assert {split_of[row] for row in without} == {"val"}
    assert with_gradient == {row for row, split in split_of.items() if split == "train"}
    counts = load_run(workspace, "pretrain_ecg").record["split_counts"]
    assert counts == {"train": {"visits": len(with_gradient)}, "val": {"visits": len(without)}}


@pytest.mark.parametrize("task", ["traits", "I50"])
def test_targets_of_the_test_split_have_no_influence(trained: Workspace, copy_of: Copy, task: str) -> None:
    workspace = copy_of(trained)
    splits = {row["eid"]: row["split"] for row in read_table(workspace.data, "splits").to_pylist()}
    for name in ("traits", "labels"):
        rows = read_table(workspace.data, name).to_pylist()
        for row in rows:
            if splits[row["eid"]] == "test" and row["value"] is not None:
                row["value"] = (not row["value"]) if name == "labels" else -1000 * row["value"]
        write_parquet(pa.Table.from_pylist(rows), workspace.tables / f"{name}.parquet")
    write_gate(workspace)
    for arguments in (["pretrain_ecg"], ["pretrain_cmr", "--task", task], ["align", "--task", task]):
        assert train(workspace, *arguments) == 0
    for run in ("pretrain_ecg", f"pretrain_cmr-{task}", f"align-{task}"):
        mine, theirs = load_run(workspace, run).record, load_run(trained, run).record
        assert mine["data_version"] != theirs["data_version"]
        assert mine["run_id"] != theirs["run_id"]
        assert mine["weights_sha256"] == theirs["weights_sha256"]
        assert mine["metrics"] == theirs["metrics"]


def test_disease_groups_are_made_from_labels_alone(
    untrained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The released code loaded and augmented every ECG and cine of the train split to read one bit of each.
    shown: list[int] = []
    true = pretrain_cmr.epoch_batches

    def spy(positions: np.ndarray, label: np.ndarray, **others: Any) -> Any:
        monkeypatch.setattr(ResidentArray, "batch", lambda *_: pytest.fail("a cine was read to make groups"))
        of_epoch = true(positions, label, **others)
        shown.extend(int(i) for batch in of_epoch(0) for i in batch)
        monkeypatch.undo()
        return of_epoch

    monkeypatch.setattr(pretrain_cmr, "epoch_batches", spy)
    workspace = copy_of(untrained)
    pretrain_cmr.run(open_session(workspace, "pretrain_cmr", "I50"))
    visits, _ = cine_visits(workspace.data)
    assert set(visits.split[shown]) == {"train"}


@pytest.mark.parametrize("arguments", [["pretrain_ecg"], ["pretrain_cmr", "--task", "I50"], ["align", "--task", "I50"]])
def test_a_red_gate_refuses_and_nothing_is_written(
    untrained: Workspace, copy_of: Copy, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_of(untrained)
    write_gate(workspace, status="failed")
    with pytest.raises(GateError, match="the gate failed"):
        open_session(workspace, arguments[0], arguments[-1] if len(arguments) > 1 else None)
    assert train(workspace, *arguments) == 1
    assert "the gate failed" in capsys.readouterr().err
    assert not workspace.models.exists()
    assert not workspace.features.exists()


def test_an_override_is_recorded(untrained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(untrained)
    write_gate(workspace, status="failed", override="pilot with known gaps")
    assert train(workspace, "pretrain_ecg") == 0
    gate = load_run(workspace, "pretrain_ecg").record["gate"]
    assert (gate["status"], gate["override"]) == ("overridden", "pilot with known gaps")


def test_a_gate_of_other_data_and_a_missing_one_refuse(untrained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(untrained)
    write_parquet(read_table(workspace.data, "splits").slice(1), workspace.tables / "splits.parquet")
    with pytest.raises(GateError, match="is for data version"):
        open_session(workspace, "pretrain_ecg", None)
    (workspace.gate / "gate.json").unlink()
    with pytest.raises(GateError, match="has not been run"):
        open_session(workspace, "pretrain_ecg", None)


@pytest.mark.parametrize(
    ("stage", "task"), [("pretrain_ecg", "I21"), ("align", None), ("pretrain_cmr", None), ("align", "I99")]
)
def test_a_stage_takes_its_own_tasks(untrained: Workspace, stage: str, task: str | None) -> None:
    with pytest.raises(ConfigError, match="task"):
        open_session(untrained, stage, task)


def test_align_needs_its_parents_and_their_features(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    assert train(workspace, "align", "--task", "I42") == 1
    embedding = workspace.features / "cmr_embedding" / "pretrain_cmr-I50.parquet"
    session = open_session(workspace, "align", "I50")
    table = read_features(workspace.features, "cmr_embedding", "pretrain_cmr-I50")
    write_parquet(table.slice(1), embedding)
    with pytest.raises(FeatureError, match=r"1 of \d+ cines have no teacher features"):
        align.run(session)
    other = table.set_column(3, "run_id", pa.array(["pretrain_cmr-I50-0"] * len(table)))
    write_parquet(other, embedding)
    with pytest.raises(FeatureError, match="of another run than its model"):
        align.run(session)


def test_a_parent_trained_on_other_data_is_refused(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    traits = read_table(workspace.data, "traits").slice(1)
    write_parquet(traits, workspace.tables / "traits.parquet")
    write_gate(workspace)
    with pytest.raises(VersionError, match="pretrain_ecg was trained on data version"):
        align.run(open_session(workspace, "align", "traits"))
