"""A killed training goes on where it was and ends in the weights of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from eccl.training.loop.resume import Checkpoint
from eccl.training.runs import load_run
from eccl.training.stages import pretrain_cmr
from eccl.workspace import Workspace
from tests.support.tiny_workspace import Copy, change_params, train
from tests.support.workspaces import tree_of

pytestmark = pytest.mark.slow

ENVIRONMENT = {**os.environ, "ECCL_CHECKPOINT_SECONDS": "0", "PYTHONUNBUFFERED": "1"}
STAGES = [["pretrain_ecg"], ["pretrain_cmr", "--task", "I50"], ["align", "--task", "I50"]]


def kill_after_epoch(workspace: Workspace, arguments: list[str], epoch: int) -> None:
    """Start a stage and kill it as soon as it reports a finished epoch."""
    command = [sys.executable, "-m", "eccl.training", *arguments, "--workspace", str(workspace.root)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f"epoch {epoch + 1}/" in line:  # the checkpoint of the epoch before it is written
                os.kill(process.pid, signal.SIGKILL)
                break
        assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("arguments", STAGES, ids=lambda words: words[0])
def test_a_killed_stage_ends_in_the_same_bytes(
    trained: Workspace, copy_of: Copy, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_of(trained)
    stage = arguments[0]
    longer = {f"{stage}.optimiser.epochs": 6, f"{stage}.optimiser.accumulate": 2}
    change_params(workspace, **longer)
    assert train(workspace, *arguments) == 0
    undisturbed = {**tree_of(workspace.models), **tree_of(workspace.features)}
    kill_after_epoch(workspace, arguments, 3)
    (left,) = workspace.checkpoints.glob("*.pt")
    assert len(torch.load(left, weights_only=True)["state"]["history"]) >= 3
    capsys.readouterr()
    assert train(workspace, *arguments) == 0
    assert "continues after epoch" in capsys.readouterr().out
    assert {**tree_of(workspace.models), **tree_of(workspace.features)} == undisturbed
    assert not list(workspace.checkpoints.glob("*.pt"))  # nothing is left once the run is saved
    run = stage if len(arguments) == 1 else f"{stage}-{arguments[-1]}"
    assert load_run(workspace, run).record["metrics"]["epochs_run"] == 6


def test_a_kill_while_features_are_written_costs_no_training(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_of(trained)
    before = {**tree_of(workspace.models), **tree_of(workspace.features)}
    monkeypatch.setenv("ECCL_CHECKPOINT_SECONDS", "0")

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(pretrain_cmr, "write_views", killed)
        train(workspace, "pretrain_cmr", "--task", "I50")
    assert len(list(workspace.checkpoints.glob("pretrain_cmr-I50-*.pt"))) == 1
    capsys.readouterr()
    assert train(workspace, "pretrain_cmr", "--task", "I50") == 0
    printed = capsys.readouterr().out
    assert "continues after epoch 2" in printed
    assert "epoch 1/2" not in printed
    assert {**tree_of(workspace.models), **tree_of(workspace.features)} == before


def test_checkpoints_of_earlier_parameters_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(3):
        Checkpoint(tmp_path, f"align-I21-{number}", 0.0, {}).save({})
    Checkpoint(tmp_path, "align-I42-0", 0.0, {}).save({})
    Checkpoint(tmp_path, "align-I21-2", 0.0, {}).remove()
    assert [path.name for path in tmp_path.iterdir()] == ["align-I42-0.pt"]


def test_a_checkpoint_of_other_arithmetic_is_not_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = Checkpoint(tmp_path, "run-1", 0.0, {"precision": "fp32"})
    assert mine.load() is None
    mine.save({"history": [], "network": {"weight": torch.ones(2)}})
    found = mine.load()
    assert found is not None
    assert torch.equal(found["network"]["weight"], torch.ones(2))
    assert Checkpoint(tmp_path, "run-1", 0.0, {"precision": "bf16"}).load() is None
    assert "not continued: precision fp32 then, bf16 now; training starts again" in capsys.readouterr().out
    assert Checkpoint(tmp_path, "run-2", 0.0, {"precision": "fp32"}).load() is None
    mine.remove()
    assert mine.load() is None


def test_checkpoints_keep_their_distance(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path, "run", 0.0, {}).is_due()
    assert not Checkpoint(tmp_path, "run", 3600.0, {}).is_due()
