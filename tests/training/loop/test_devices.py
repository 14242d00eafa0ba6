"""Two processes compute what one computes, and the flags that choose devices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eccl.errors import ConfigError
from eccl.features.files import read_features
from eccl.models.cmr_encoders import CmrEncoder
from eccl.models.cross_modal_autoencoder import CrossModalAutoencoder
from eccl.models.ecg_vit import EcgEncoder
from eccl.models.mae import MaskedAutoencoder
from eccl.models.projection import Aligned, Supervised
from eccl.models.specs import AlignmentSpec, CmrEncoderSpec, CrossModalSpec, DecoderSpec, EcgEncoderSpec, MaskingSpec
from eccl.training.inputs.teacher import vectors_of
from eccl.training.loop.runtime import Runtime, RuntimeConfig, runtime_from_environment
from eccl.training.loop.tasks import AlignTask, CrossModalTask, SupervisedTask
from eccl.training.runs import load_run
from eccl.training.session import open_session
from eccl.training.settings import load_params
from eccl.workspace import Workspace, shipped
from tests.support.tiny_workspace import Copy, change_params, train

ROOT = Path(__file__).resolve().parents[3]
# What two processes would draw differently is switched off: everything else must agree.
NOTHING_DRAWN = {
    "align.augment.crop_samples": 5000,
    "align.augment.time_flip": 0.0,
    "align.augment.sign_flip": 0.0,
    "align.dropout": 0.0,
    "pretrain_cmr.teacher_views": 0,
}

GRADIENTS = """
import sys, numpy as np, torch
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from tests.training.loop.test_devices import task_and_batch
runtime = Runtime(RuntimeConfig(devices=2)); runtime.launch()
task, batch = task_and_batch(sys.argv[1], runtime.gather)
wrapped, _ = runtime.prepare(task, torch.optim.SGD(task.parameters(), lr=0.0))
mine = runtime.share(np.arange(int(sys.argv[3])))
losses = wrapped(*(one[torch.from_numpy(mine)] for one in batch))
runtime.fabric.backward(losses["loss"])
if runtime.is_first:
    gradients = {name: one.grad for name, one in task.named_parameters() if one.grad is not None}
    torch.save((losses["loss"].detach(), gradients), sys.argv[2])
"""


def task_and_batch(name: str, gather: Callable[[Tensor], Tensor]) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A task of every kind with a batch of eight, many targets unknown."""
    torch.manual_seed(0)
    ecg, target = torch.randn(8, 12, 5000), torch.randn(8, 6)
    target[torch.rand(8, 6) < 0.4] = float("nan")
    if name == "mae":
        mae = MaskedAutoencoder(
            EcgEncoderSpec(patch=(3, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0),
            MaskingSpec(decoder=DecoderSpec(width=8, depth=1, heads=2)),
        )
        return mae, (ecg, torch.rand(8, 20))
    if name == "supervised":
        swin = CmrEncoderSpec(
            kind="swin",
            image_size=28,
            patch=4,
            window=7,
            width=8,
            depths=(1, 1),
            heads=(1, 2),
            dropout=0.0,
            attention_dropout=0.0,
            drop_path=0.0,
        )
        return SupervisedTask(Supervised(CmrEncoder(swin), 6), "traits", gather), (torch.randn(8, 50, 28, 28), target)
    if name == "cross-modal":
        swin = CmrEncoderSpec(
            kind="swin",
            image_size=28,
            patch=4,
            window=7,
            width=8,
            depths=(1, 1),
            heads=(1, 2),
            dropout=0.0,
            attention_dropout=0.0,
            drop_path=0.0,
        )
        spec = CrossModalSpec(
            latent_width=8,
            temperature=0.1,
            reconstruction_weight=1.0,
            contrastive_weight=1.0,
            ecg_decoder=DecoderSpec(width=8, depth=1, heads=2),
            cine_decoder=DecoderSpec(width=8, depth=1, heads=2),
            cine_patch=7,
        )
        both = CrossModalAutoencoder(
            EcgEncoderSpec(patch=(3, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0), swin, spec
        )
        return CrossModalTask(both, gather), (ecg, torch.randn(8, 50, 28, 28))
    config = load_params(shipped("params.yaml"), "paper").preset.align
    network = Aligned(
        EcgEncoder(EcgEncoderSpec(patch=(3, 1000), width=16, depth=1, heads=2, mlp_ratio=2.0)),
        5,
        6,
        AlignmentSpec(projection_width=8),
    )
    return AlignTask(network, "traits", config, gather), (ecg, target, torch.randn(8, 5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "size"), [("mae", 8), ("supervised", 8), ("align", 8), ("cross-modal", 8), ("supervised", 7)]
)
def test_two_processes_have_the_loss_and_the_gradient_of_one(tmp_path: Path, task: str, size: int) -> None:
    script, result = tmp_path / "gradients.py", tmp_path / "result"
    script.write_text(GRADIENTS)
    done = subprocess.run(
        [sys.executable, script, task, result, str(size)],
        check=False, capture_output=True, text=True, timeout=2400, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loss, gradients = torch.load(result)
    single, batch = task_and_batch(task, lambda rows: rows)
    whole = single(*(one[: size - size % 2] for one in batch))["loss"]  # what does not divide is left out
    whole.backward()
    torch.testing.assert_close(loss, whole.detach()) if task != "mae" else None  # its share's own loss
    for name, one in single.named_parameters():
        if one.grad is not None:
            # Sums in another order: processors differ from each other by a tenth of this, a wrong share by half of a gradient.
            torch.testing.assert_close(
                gradients[name], one.grad, rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
            )


@pytest.mark.parametrize(
    ("size", "world", "parts"), [(8, 2, [4, 4]), (7, 2, [3, 3]), (1, 2, [1, 1]), (2, 3, [1, 1, 1])]
)
def test_no_process_gets_an_empty_share(
    size: int, world: int, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime()
    shares = []
    for rank in range(world):
        monkeypatch.setattr(Runtime, "world", world)
        monkeypatch.setattr(Runtime, "rank", rank)
        shares.append(runtime.share(np.arange(size)))
    assert [len(share) for share in shares] == parts
    if size >= world:
        assert len(np.unique(np.concatenate(shares))) == sum(parts)


@pytest.mark.slow
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
        [*command, "--workspace", str(workspace.root)], check=False, capture_output=True, text=True, timeout=2400
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 1  # only the first process speaks and writes
    two = load_run(workspace, f"align-{task}")
    assert two.record["runtime"]["devices"] == 2
    assert two.run_id == one.run_id  # where it ran is not what it is
    # The outputs of the network, not its weights: Adam moves a key's bias, which has no influence, by rounding errors.
    after = vectors_of(read_features(workspace.features, "ecg_embedding", f"align-{task}"))
    np.testing.assert_allclose(after, before, atol=2e-3)
    mine, theirs = one.record["metrics"]["best"], two.record["metrics"]["best"]
    assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)


def test_a_batch_must_divide_by_the_devices(untrained: Workspace) -> None:
    with pytest.raises(ConfigError, match="align: batch_size 8 cannot be divided among 3 devices"):
        open_session(untrained, "align", "traits", RuntimeConfig(devices=3))


def test_flags_win_over_the_environment_and_all_problems_are_reported() -> None:
    found = runtime_from_environment({"ECCL_DEVICES": "4", "ECCL_COMPILE": "yes"}, devices=2, precision=None)
    assert (found.devices, found.compile, found.precision) == (2, True, "auto")
    assert runtime_from_environment({}) == RuntimeConfig()
    with pytest.raises(ConfigError) as caught:
        runtime_from_environment({"ECCL_DEVICES": "many", "ECCL_PRECISION": "fp8", "ECCL_ARRAYS": "tape"})
    for words in (
        "ECCL_<NAME>",
        "devices: input should be a valid integer",
        "found 'many'",
        "found 'fp8'",
        "found 'tape'",
    ):
        assert words in str(caught.value)


def test_what_is_drawn_depends_on_seed_and_epoch_alone() -> None:
    runtime = Runtime()

    def drawn(*key: int) -> list[float]:
        generator = runtime.seed(*key)
        return [float(torch.rand(1)), float(torch.rand(1, generator=generator))]

    assert drawn(1, 2) == drawn(1, 2)
    assert len({tuple(drawn(*key)) for key in ((1, 2), (1, 3), (2, 2))}) == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="the precision of a machine without a GPU")
def test_a_cpu_computes_in_fp32_by_default() -> None:
    assert Runtime().precision == "fp32"
    autocast = Runtime(RuntimeConfig(precision="bf16"))
    with autocast.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.slow
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


def test_threads_are_divided_among_processes_unless_the_user_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", numbers.append)
    monkeypatch.setattr("eccl.training.loop.runtime.count_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    Runtime(RuntimeConfig(devices=1))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    Runtime(RuntimeConfig(devices=1))
    assert numbers == [8]


def test_streams_of_purposes_do_not_meet() -> None:
    # numpy takes trailing zeros of plain entropy for nothing: the first epoch would repeat the initial weights' stream.
    runtime = Runtime()
    drawn = [float(torch.rand(1, generator=runtime.seed(*key))) for key in ((7,), (7, 0), (7, 1))]
    assert len(set(drawn)) == 3
