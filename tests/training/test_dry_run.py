"""The dry run of a training: steps and parameters against real runs, and every wrong setting before a device is used."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.errors import ConfigError
from eccl.training import dry_run
from eccl.training.dry_run import (
    TRAINING_STAGES,
    StepTime,
    TrainSet,
    batches_per_epoch,
    check_training,
    choose_training_stages,
    estimate_training,
    time_steps,
)
from eccl.training.inputs.sampling import epoch_batches
from eccl.training.loop.runtime import Runtime
from eccl.training.runs import load_run
from eccl.training.settings import TASKS, OptimiserConfig, load_params
from eccl.workspace import Workspace, shipped
from eccl.yaml_text import parse_yaml
from tests.support.tiny_workspace import Copy, change_params

runner = CliRunner()


SMALL = OptimiserConfig(
    name="adamw", epochs=1, batch_size=8, accumulate=1, learning_rate=0.01, warmup_epochs=0, weight_decay=0.0,
    betas=(0.9, 0.95), patience=0,
)  # fmt: skip


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.sizes.append(len(x))
        return {"loss": self.layer(x).square().mean()}


def test_steps_are_timed_at_the_whole_batch() -> None:
    task = Linear()
    found = time_steps(task, lambda size: (torch.ones(size, 3),), 8, SMALL, Runtime())
    assert found.batch == 8
    assert task.sizes == [2, 2, 8, 8, 8, 8]  # twice the smallest, three steps, one forward pass
    assert found.seconds > 0
    assert found.forward_seconds > 0


def test_a_batch_that_takes_too_long_is_timed_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    for spent, step, forward in ((4.0, 2.0, 2.0), (11.0, 5.5, 5.5)):  # of every call, whatever its size
        monkeypatch.setattr(dry_run, "_seconds", lambda call, device, spent=spent: spent)
        found = time_steps(Linear(), lambda size: (torch.ones(size, 3),), 64, SMALL, Runtime())
        assert (found.batch, found.seconds, found.forward_seconds) == (2, step, forward)


def test_costs_follow_from_measured_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def time_one(task: torch.nn.Module, inputs: object, batch: int, config: object, runtime: Runtime) -> StepTime:
        built.append(type(task).__name__)
        return StepTime(2, 0.5, 0.1, None)

    monkeypatch.setattr(dry_run, "time_steps", time_one)
    content = check_training(shipped("params.yaml"), "demo", None)
    # The paper's numbers of visits, the paper's presets' shapes where they cost nothing: parameters.
    source, costs = estimate_training(None, content)
    assert built == ["MaskedAutoencoder", "SupervisedTask", "AlignTask"]  # one of each kind, not one of each task
    assert "24,908 training pairs" in source
    found = {cost.stage: cost for cost in costs}
    assert list(found) == list(TRAINING_STAGES)
    traits = found["align@traits"]
    assert traits.steps_per_epoch == 24_908 // 16
    assert traits.steps == 30 * traits.steps_per_epoch
    assert traits.seconds_per_step == 0.5 * 16
    assert traits.hours == pytest.approx((0.5 * 16 * traits.steps + 0.1 * 41_519) / 3600)
    cmr = found["pretrain_cmr@traits"]
    assert cmr.hours == pytest.approx((0.5 * 16 * cmr.steps + 0.1 * 3 * 41_519) / 3600)  # clean and two augmented views


@pytest.mark.slow
def test_the_papers_networks_have_the_papers_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "time_steps", lambda *arguments: StepTime(2, 0.5, 0.1, None))
    _, costs = estimate_training(
        None, check_training(shipped("params.yaml"), "paper", ["pretrain_ecg", "align@traits"])
    )
    found = {cost.stage: cost for cost in costs}
    assert round(found["pretrain_ecg"].parameters / 1e6, 2) == 110.80
    # 85.79 M with the projection of the ECG; the CMR projection and the task head are added.
    assert found["align@traits"].parameters - (768 * 256 + 256) - (768 * 82 + 82) == pytest.approx(85.79e6, rel=1e-4)


def test_a_live_teacher_takes_part_in_every_step(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    change_params(workspace, **{"align.teacher": "live"})
    request = check_training(workspace.params_file, None, ["align@I50"])
    _, inputs = dry_run._network("align", "I50", 1, request.params.preset, Runtime())
    ecg, label, features = inputs(3)
    assert (ecg.shape, label.shape, features.shape) == ((3, 12, 5000), (3, 1), (3, 16))
    assert not features.requires_grad


@pytest.mark.parametrize(("visits", "cases"), [(100, None), (100, 7), (100, 33), (100, 40), (100, 1), (9, 3), (100, 0)])
@pytest.mark.parametrize("drop_last", [True, False])
def test_batches_are_counted_as_they_are_formed(visits: int, cases: int | None, drop_last: bool) -> None:
    label = None if cases is None else (np.arange(visits) < cases).astype(float)
    dealt = epoch_batches(np.arange(visits), label, batch_size=8, negatives_per_case=2, seed=3, drop_last=drop_last)
    expected = len(dealt(0))
    assert len(dealt(1)) == expected
    assert batches_per_epoch(TrainSet(visits, cases, visits), 8, 2, drop_last=drop_last) == expected


def test_a_workspace_with_data_is_counted(trained: Workspace) -> None:
    source, costs = estimate_training(trained, check_training(trained.params_file, None, None))
    assert "this workspace's data" in source
    for stage in costs:
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
    for words in ("Preset tiny", "align@traits", "steps", "s/step", "Measured: 3 steps (one", "Together about"):
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
    done = runner.invoke(app, ["train", "--dry-run", "--preset", "unheard", "--workspace", str(workspace.root)])
    assert "preset: 'unheard' is not one of" in str(done.exception)


def test_stages_preset_and_runtime_are_reported_together(
    trained: Workspace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copy_of(trained)
    before = workspace.params_file.read_bytes()
    monkeypatch.setenv("ECCL_CHECKPOINT_SECONDS", "often")
    for dry in (["--dry-run"], []):  # nothing starts, and nothing is written
        arguments = ["train", "align@I99", "--preset", "unheard", *dry, "--workspace", str(workspace.root)]
        message = str(runner.invoke(app, arguments).exception)
        for words in ("no stage align@I99", "'unheard' is not one of", "found 'often'"):
            assert words in message
    assert workspace.params_file.read_bytes() == before


def test_the_dry_run_prints_json(trained: Workspace) -> None:
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
