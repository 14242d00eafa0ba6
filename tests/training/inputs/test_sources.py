"""Arrays in memory and arrays read ahead give the same records; nothing that trains sees the test split."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from eccl.data.arrays import read_rows
from eccl.errors import ConfigError, SplitError
from eccl.training.inputs import sources
from eccl.training.inputs.sources import GuardedSource, ResidentArray, StreamedArray, open_source, read_all
from eccl.training.inputs.visits import Visits, recording_visits
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.session import Session, open_session
from eccl.training.stages import align, pretrain_cmr, pretrain_ecg
from eccl.workspace import Workspace
from tests.support.tiny_workspace import Copy, train

CPU = torch.device("cpu")
NAME = "ecg.zarr/clean"


def test_both_kinds_give_the_stored_records(untrained: Workspace) -> None:
    rows = recording_visits(untrained.data).row[::-1].copy()
    resident = ResidentArray(read_all(untrained.data, NAME, rows), CPU)
    streamed = StreamedArray(untrained.data, NAME, rows, CPU)
    assert len(resident) == len(streamed) == len(rows)
    batches = [np.array([3, 0, 7]), np.array([1]), np.array([5, 5, 2]), *(np.array([i]) for i in range(9))]
    streamed.expect(batches)
    for batch in batches:
        expected = read_rows(untrained.data, NAME, rows[batch])
        for source in (resident, streamed):
            found = source.batch(batch)
            assert found.dtype == torch.int16
            np.testing.assert_array_equal(found, expected)
    # A batch that was not announced, and one out of turn, are read all the same.
    streamed.expect([np.array([1]), np.array([2])])
    np.testing.assert_array_equal(streamed.batch(np.array([2])), resident.batch(np.array([2])))


def test_reading_ahead_is_bounded(untrained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    streamed = StreamedArray(untrained.data, NAME, recording_visits(untrained.data).row, CPU)
    streamed.expect([np.array([i]) for i in range(20)])
    for i in range(20):
        assert len(streamed._reading) <= sources._BATCHES_AHEAD
        streamed.batch(np.array([i]))
    assert not streamed._reading


def test_memory_decides_unless_the_user_does(untrained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = recording_visits(untrained.data).row
    assert isinstance(open_source(untrained.data, NAME, rows, Runtime()), ResidentArray)
    monkeypatch.setattr(sources, "available_memory", lambda: 2 * 120_000 * len(rows))
    assert isinstance(open_source(untrained.data, NAME, rows, Runtime()), StreamedArray)
    resident = Runtime(RuntimeConfig(arrays="resident"))
    assert isinstance(open_source(untrained.data, NAME, rows, resident), ResidentArray)


@pytest.mark.parametrize("arguments", [["pretrain_ecg"], ["pretrain_cmr", "--task", "I50"], ["align", "--task", "I50"]])
def test_every_stage_trains_from_streamed_arrays(trained: Workspace, copy_of: Copy, arguments: list[str]) -> None:
    # Everything is in one block here, so the order and with it every byte of the weights is that of resident arrays.
    workspace = copy_of(trained)
    run = arguments[0] if len(arguments) == 1 else f"{arguments[0]}-{arguments[-1]}"
    before = (workspace.run_folder(run) / "weights.safetensors").read_bytes()
    (workspace.run_folder(run) / "weights.safetensors").unlink()
    assert train(workspace, *arguments, "--arrays", "streamed") == 0
    assert (workspace.run_folder(run) / "weights.safetensors").read_bytes() == before


def test_blocks_are_neighbouring_shards(untrained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = recording_visits(untrained.data).row
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 1)  # one shard of 16 records is a block
    streamed = StreamedArray(untrained.data, NAME, rows, CPU)
    assert streamed.block is not None
    assert streamed.block.tolist() == (rows // 16).tolist()
    assert len(set(streamed.block.tolist())) > 1


def test_training_over_several_blocks_shows_every_recording_once(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 1)
    requested: list[int] = []
    true = StreamedArray.batch

    def spy(self: StreamedArray, positions: np.ndarray) -> torch.Tensor:
        if torch.is_grad_enabled():
            requested.extend(positions.tolist())
            # What is requested has been announced: it is being read already.
            assert np.array_equal(self._reading[0][0], positions)
        return true(self, positions)

    monkeypatch.setattr(StreamedArray, "batch", spy)
    assert train(workspace, "pretrain_ecg", "--arrays", "streamed") == 0
    train_count = recording_visits(workspace.data).select("train", (2, 3)).size
    assert sorted(requested) == sorted([*range(train_count)] * 2)  # two epochs
    before = (trained.run_folder("pretrain_ecg") / "weights.safetensors").read_bytes()
    assert (workspace.run_folder("pretrain_ecg") / "weights.safetensors").read_bytes() != before  # another order


def test_a_guard_refuses_rows_of_the_test_split(untrained: Workspace) -> None:
    visits = recording_visits(untrained.data)
    guarded = GuardedSource(ResidentArray(read_all(untrained.data, NAME, visits.row), CPU), visits.split)
    allowed = np.flatnonzero(visits.split != "test")
    assert len(guarded.batch(allowed)) == len(allowed)
    refused = np.flatnonzero(visits.split == "test")[:2]
    with pytest.raises(SplitError, match=r"2 of 4 rows that training requested belong neither to train nor to val"):
        guarded.batch(np.concatenate([allowed[:2], refused]))


@pytest.mark.parametrize(
    ("stage", "task", "split"),
    [
        (pretrain_ecg, None, "train"),
        (pretrain_ecg, None, "val"),
        (pretrain_cmr, "traits", "val"),
        (pretrain_cmr, "I50", "val"),
        (align, "traits", "train"),
        (align, "traits", "val"),
    ],
)
def test_a_stage_that_selects_the_test_split_is_stopped(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch, stage: ModuleType, task: str | None, split: str
) -> None:
    # A mistake: positions of the test split where train or validation positions belong.
    workspace = copy_of(trained)
    right, right_pairs = Visits.select, align.select_pairs

    def wrong(self: Visits, wanted: str, instances: tuple[int, ...]) -> np.ndarray:
        return right(self, "test" if wanted == split else wanted, instances)

    def wrong_pairs(session: Session, recordings: Visits, *others: Any) -> Any:
        pairs, train_positions, val = right_pairs(session, recordings, *others)
        test = np.flatnonzero(recordings.split[pairs.ecg] == "test")
        return (pairs, test, val) if split == "train" else (pairs, train_positions, test)

    monkeypatch.setattr(Visits, "select", wrong)
    monkeypatch.setattr(align, "select_pairs", wrong_pairs)
    with pytest.raises(SplitError, match="the test split is read once"):
        stage.run(open_session(workspace, stage.__name__.rpartition(".")[2], task))


def test_a_cine_of_the_test_split_has_no_target_to_train_on(
    untrained: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Visits.select
    monkeypatch.setattr(Visits, "select", lambda self, wanted, at: right(self, "test", at))
    with pytest.raises(ConfigError, match="no cine of the train split has a known target"):
        pretrain_cmr.run(open_session(untrained, "pretrain_cmr", "I50"))
