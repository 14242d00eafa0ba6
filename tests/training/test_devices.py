"""Two processes compute what one computes, and the flags that say where to compute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eccl.errors import ConfigError
from eccl.models.losses import info_nce
from eccl.store.features import read_features
from eccl.training.runs import load_run
from eccl.training.runtime import Runtime, RuntimeConfig, runtime_from_environment
from eccl.training.session import open_session
from eccl.training.views import vectors_of
from eccl.workspace import Workspace
from tests.training.steps import Copy, change_params, train

# What two processes would draw differently is switched off: everything else must agree.
NOTHING_DRAWN = {
    "align.augment.crop_samples": 5000,
    "align.augment.time_flip": 0.0,
    "align.augment.sign_flip": 0.0,
    "align.dropout": 0.0,
    "pretrain_cmr.teacher_views": 0,
}

LOSSES = """
import sys, torch
from eccl.models.losses import info_nce
from eccl.training.runtime import Runtime, RuntimeConfig
runtime = Runtime(RuntimeConfig(devices=2)); runtime.launch()
whole = torch.load(sys.argv[1]); mine = [one[runtime.rank::2].clone().requires_grad_() for one in whole]
loss = info_nce(*(runtime.gather(one) for one in mine)); loss.backward()
torch.save([loss.detach(), *(one.grad for one in mine)], f"{sys.argv[1]}.{runtime.rank}")
"""


def test_the_gathered_contrastive_loss_is_that_of_one_process(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = [torch.randn(8, 5), torch.randn(8, 5)]
    file, script = tmp_path / "batch", tmp_path / "losses.py"
    torch.save(whole, file)
    script.write_text(LOSSES)
    done = subprocess.run([sys.executable, script, file], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    single = [one.clone().requires_grad_() for one in whole]
    loss = info_nce(*single)
    loss.backward()
    for rank in range(2):
        theirs = torch.load(f"{file}.{rank}")
        torch.testing.assert_close(theirs[0], loss.detach())
        for mine, gathered in zip(single, theirs[1:], strict=True):
            # Each process holds the whole loss; data-parallel training averages over the two.
            assert mine.grad is not None
            torch.testing.assert_close(gathered / 2, mine.grad[rank::2])


@pytest.mark.parametrize("task", ["traits", "I21"])
def test_two_processes_end_in_the_network_of_one(trained: Workspace, copy_of: Copy, task: str) -> None:
    workspace = copy_of(trained)
    change_params(workspace, **NOTHING_DRAWN)
    assert train(workspace, "pretrain_cmr", "--task", task) == 0
    assert train(workspace, "align", "--task", task) == 0
    one = load_run(workspace, f"align-{task}")
    before = vectors_of(read_features(workspace.features, "ecg_embedding", f"align-{task}"))
    command = [sys.executable, "-m", "eccl.training", "align", "--task", task, "--devices", "2"]
    done = subprocess.run(
        [*command, "--workspace", str(workspace.root)], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 1  # only the first process speaks and writes
    two = load_run(workspace, f"align-{task}")
    assert two.record["runtime"]["devices"] == 2
    assert two.run_id == one.run_id  # where it ran is not what it is
    # What the network says, not its weights: Adam moves a key's bias, which has no influence, by rounding errors.
    after = vectors_of(read_features(workspace.features, "ecg_embedding", f"align-{task}"))
    np.testing.assert_allclose(after, before, atol=2e-3)
    mine, theirs = one.record["metrics"]["best"], two.record["metrics"]["best"]
    assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)


def test_a_batch_must_divide_by_the_devices(untrained: Workspace) -> None:
    with pytest.raises(ConfigError, match="align: batch_size 8 cannot be shared out over 3 devices"):
        open_session(untrained, "align", "traits", RuntimeConfig(devices=3))


def test_flags_win_over_the_environment_and_everything_wrong_is_told() -> None:
    found = runtime_from_environment({"ECCL_DEVICES": "4", "ECCL_COMPILE": "yes"}, devices=2, precision=None)
    assert (found.devices, found.compile, found.precision) == (2, True, "auto")
    assert runtime_from_environment({}) == RuntimeConfig()
    with pytest.raises(ConfigError) as caught:
        runtime_from_environment({"ECCL_DEVICES": "many", "ECCL_PRECISION": "fp8", "ECCL_ARRAYS": "tape"})
    for words in ("ECCL_DEVICES is 'many', expected int", "precision 'fp8'", "arrays 'tape'"):
        assert words in str(caught.value)


def test_what_is_drawn_depends_on_seed_and_epoch_alone() -> None:
    runtime = Runtime()

    def drawn(*key: int) -> list[float]:
        generator = runtime.seed(*key)
        return [float(torch.rand(1)), float(torch.rand(1, generator=generator))]

    assert drawn(1, 2) == drawn(1, 2)
    assert len({tuple(drawn(*key)) for key in ((1, 2), (1, 3), (2, 2))}) == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="the precision of a machine without a GPU")
def test_a_cpu_computes_in_fp32_unless_told() -> None:
    assert Runtime().precision == "fp32"
    autocast = Runtime(RuntimeConfig(precision="bf16"))
    with autocast.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_compiled_network_is_saved_under_its_own_names(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    before = load_run(workspace, "pretrain_ecg").weights()
    assert train(workspace, "pretrain_ecg", "--compile") == 0
    after = load_run(workspace, "pretrain_ecg")
    assert after.record["runtime"]["compiled"]
    assert set(after.weights()) == set(before)
    for name, tensor in after.weights().items():
        torch.testing.assert_close(tensor, before[name], rtol=1e-3, atol=1e-4)


def test_no_thread_setting_of_the_user_is_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    Runtime(RuntimeConfig(devices=1))
    assert torch.get_num_threads() == before
    assert os.environ["OMP_NUM_THREADS"] == "1"
