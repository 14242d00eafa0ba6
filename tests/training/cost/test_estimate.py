"""What a stage would cost: counts against the real thing, and every wrong combination before a device is touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.errors import ConfigError
from eccl.models.losses import masked_mse
from eccl.training.cost.estimate import TrainSet, batches_per_epoch, count_step
from eccl.training.cost.planning import TRAINING_STAGES, check_training, choose_training_stages, plan_training
from eccl.training.inputs.sampling import epoch_batches
from eccl.training.runs import load_run
from eccl.training.settings.config import TASKS, load_params
from eccl.workspace import Workspace, shipped
from eccl.yaml_text import parse_yaml
from tests.support.steps import Copy, change_params

runner = CliRunner()


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(30, 20, device="meta")
        self.second = torch.nn.Linear(20, 5, device="meta")

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": masked_mse(self.second(self.first(x)), y)}


def test_operations_are_those_of_the_products() -> None:
    def inputs(batch: int) -> tuple[torch.Tensor, ...]:
        return torch.empty(batch, 30, device="meta"), torch.empty(batch, 5, device="meta")

    step, forward, kept = count_step(Linear(), inputs)
    assert forward == 2 * (30 * 20 + 20 * 5)
    # Backward: one product for the weights of each layer, one for the input of the second.
    assert step == forward + 2 * (30 * 20 + 20 * 5) + 2 * (20 * 5)
    assert kept >= 4 * (30 + 20)  # the inputs of both layers


def test_the_papers_stages(tmp_path: Path) -> None:
    plan = plan_training(None, check_training(shipped("params.yaml"), "paper", None))
    found = {stage.stage: stage for stage in plan.stages}
    assert "24,908 training pairs" in plan.source
    assert list(found) == list(TRAINING_STAGES)
    assert round(found["pretrain_ecg"].parameters / 1e6, 2) == 110.80
    assert found["pretrain_ecg"].tokens == "121 of 601"
    assert found["align@traits"].tokens == "601"
    # 85.79 M with the projection of the ECG; the CMR projection and the task head come on top.
    assert found["align@traits"].parameters - (768 * 256 + 256) - (768 * 82 + 82) == pytest.approx(85.79e6, rel=1e-4)
    assert found["align@traits"].steps_per_epoch == 24_908 // 32
    assert found["pretrain_cmr@traits"].steps_per_epoch == -(-24_908 // 128)
    # A ViT-B of 601 tokens takes about 6 operations per parameter and token, and attention on top.
    flops = found["align@traits"].step_flops / 32
    assert 6 * 85.2e6 * 601 < flops < 1.2 * 6 * 85.2e6 * 601
    full, half = found["align@traits"].memory_bytes
    assert full - half == half - 20 * found["align@traits"].parameters  # activations are halved, weights are not
    # 32 recordings, 12 blocks of about 17 numbers kept per token and channel (the MLP's hidden layer counts four).
    activations = 2 * (full - half)
    assert 0.5 < activations / (32 * 601 * 768 * 12 * 17 * 4) < 2
    whole = sum(stage.total_flops for stage in plan.stages)
    assert sum(stage.gpu_hours("H100", 1) for stage in plan.stages) == pytest.approx(whole / (989e12 * 0.4 * 3600))
    assert found["align@traits"].gpu_hours("H100", 4) == pytest.approx(found["align@traits"].gpu_hours("H100", 1) / 4)


def test_only_attention_matrices_are_left_out_of_memory() -> None:
    def inputs(batch: int) -> tuple[torch.Tensor, ...]:
        return (torch.empty(batch, 4, 80, 80, device="meta"),)

    class Square(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": (x.requires_grad_() ** 2).sum()}

    assert count_step(Square(), inputs)[2] == 4 * 80 * 80 * 4
    assert count_step(Square(), inputs, frozenset({80}))[2] == 0


def test_a_live_teacher_costs_its_own_forward_pass(tmp_path: Path) -> None:
    content = parse_yaml(shipped("params.yaml").read_text())
    costs = {}
    for mode in ("cached", "live"):
        content["presets"]["small"]["align"]["teacher"] = mode
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        (stage,) = plan_training(None, check_training(tmp_path / "params.yaml", "small", ["align@I21"])).stages
        costs[mode] = stage.step_flops
    assert 1.01 < costs["live"] / costs["cached"] < 1.1  # a small Swin beside a ViT of 601 tokens


@pytest.mark.parametrize(("visits", "cases"), [(100, None), (100, 7), (100, 33), (100, 40), (100, 1), (9, 3), (100, 0)])
@pytest.mark.parametrize("drop_last", [True, False])
def test_batches_are_counted_as_they_are_dealt(visits: int, cases: int | None, drop_last: bool) -> None:
    label = None if cases is None else (np.arange(visits) < cases).astype(float)
    dealt = epoch_batches(np.arange(visits), label, batch_size=8, negatives_per_case=2, seed=3, drop_last=drop_last)
    expected = len(dealt(0))
    assert len(dealt(1)) == expected
    assert batches_per_epoch(TrainSet(visits, cases, visits), 8, 2, drop_last=drop_last) == expected


def test_a_workspace_with_data_is_counted(trained: Workspace) -> None:
    plan = plan_training(trained, check_training(trained.params_file, None, None))
    assert "this workspace's data" in plan.source
    for stage in plan.stages:
        run = stage.stage.replace("@", "-")
        if not (trained.run_folder(run) / "run.json").is_file():
            continue
        record = load_run(trained, run).record
        mine = stage.parameters
        if run == "pretrain_ecg":
            mine += (1 + 6 * 10) * 16  # the encoder's fixed positions are saved and not trained
        assert mine == record["parameter_count"], run


def test_names_expand_to_stages() -> None:
    assert choose_training_stages(None) == list(TRAINING_STAGES)
    assert choose_training_stages(["align@I21", "pretrain_ecg"]) == ["pretrain_ecg", "align@I21"]
    assert len(choose_training_stages(["align", "evaluate"])) == 5
    with pytest.raises(ConfigError, match="no stage align@I99, publish"):
        choose_training_stages(["align@I99", "publish"])


def test_the_dry_run_prints_and_trains_nothing(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    before = sorted(str(path) for path in workspace.root.rglob("*"))
    done = runner.invoke(app, ["train", "--dry-run", "align", "--workspace", str(workspace.root)])
    assert done.exit_code == 0, done.output
    for words in ("Preset tiny", "align@traits", "steps", "TFLOP/step", "memory", "H100", "on 1 A100"):
        assert words in done.output
    assert "pretrain_ecg" not in done.output
    assert sorted(str(path) for path in workspace.root.rglob("*")) == before


def test_the_dry_run_names_every_wrong_combination(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    change_params(
        workspace,
        **{
            "pretrain_ecg.encoder.patch": [5, 300],
            "pretrain_cmr.encoder.heads": [3, 3],
            "align.teacher": "remembered",
            "align.optimiser.accumulate": 0,
        },
    )
    done = runner.invoke(app, ["train", "--dry-run", "--workspace", str(workspace.root)])
    assert done.exit_code != 0
    message = str(done.exception)
    for words in (
        "patch [5, 300]",
        "is not divisible by 3 heads",
        "found 'remembered'",
        "accumulate: input should be greater than or equal to 1",
        "correct all of them",
    ):
        assert words in message
    change_params(workspace, **{"pretrain_ecg.encoder.patch": [2, 500]})
    done = runner.invoke(app, ["train", "--dry-run", "--preset", "nobody", "--workspace", str(workspace.root)])
    assert "preset: 'nobody' is not one of" in str(done.exception)


def test_stages_preset_and_runtime_are_told_together(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    before = workspace.params_file.read_bytes()
    monkeypatch.setenv("ECCL_CHECKPOINT_SECONDS", "often")
    for dry in (["--dry-run"], []):  # nothing starts, and nothing is written
        arguments = ["train", "align@I99", "--preset", "nobody", *dry, "--workspace", str(workspace.root)]
        message = str(runner.invoke(app, arguments).exception)
        for words in ("no stage align@I99", "'nobody' is not one of", "ECCL_CHECKPOINT_SECONDS is 'often'"):
            assert words in message
    assert workspace.params_file.read_bytes() == before


def test_the_dry_run_speaks_json(trained: Workspace) -> None:
    done = runner.invoke(app, ["train", "--dry-run", "--json", "align", "--workspace", str(trained.root)])
    found = json.loads(done.output)
    assert [stage["stage"] for stage in found] == [f"align@{task}" for task in TASKS]
    assert all(stage["steps"] == 2 * stage["steps_per_epoch"] for stage in found)


def test_devices_that_do_not_divide_a_batch_are_refused(trained: Workspace) -> None:
    arguments = ["train", "--dry-run", "--devices", "3", "--workspace", str(trained.root)]
    message = str(runner.invoke(app, arguments).exception)
    assert (
        "pretrain_ecg: batch_size 8; pretrain_cmr: batch_size 8; pretrain_cmae: batch_size 8; align: batch_size 8"
        in message
    )


def test_a_preset_is_written_where_dvc_reads_it(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    content = parse_yaml(workspace.params_file.read_text())
    content["presets"]["other"] = content["presets"]["tiny"]
    workspace.params_file.write_text(yaml.safe_dump(content))
    started: list[dict[str, object]] = []
    monkeypatch.setattr("eccl.commands.flow.run_flow", lambda *names, **values: started.append(values))
    monkeypatch.setenv("ECCL_DEVICES", "1")  # restored afterwards
    done = runner.invoke(
        app, ["train", "align", "--preset", "other", "--devices", "2", "--workspace", str(workspace.root)]
    )
    assert done.exit_code == 0, done.output
    assert started == [{"stages": ["align"]}]
    assert load_params(workspace.params_file).name == "other"
    assert content["presets"] == parse_yaml(workspace.params_file.read_text())["presets"]
