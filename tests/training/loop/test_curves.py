"""What training leaves for `dvc metrics` and `dvc plots`, and what it prints."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eccl.training.loop.curves import Curves, EpochLines
from eccl.training.runs import load_run
from eccl.workspace import Workspace, shipped
from tests.support.tiny_workspace import Copy, train
from tests.support.workspaces import tree_of


@pytest.mark.parametrize("run", ["pretrain_ecg", "pretrain_cmr-I50", "align-traits"])
def test_curves_are_the_history_and_the_summary_is_the_chosen_epoch(trained: Workspace, run: str) -> None:
    metrics = load_run(trained, run).record["metrics"]
    folder = trained.curves(run)
    summary = json.loads((folder / "metrics.json").read_text())
    assert summary.pop("best_epoch") == load_run(trained, run).record["best_epoch"]
    summary.pop("step", None)
    assert summary == {name: value for name, value in metrics["best"].items() if value is not None}
    for name in metrics["best"]:
        with (folder / "plots" / "metrics" / f"{name}.tsv").open() as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        assert [int(row["step"]) for row in rows] == [entry["epoch"] for entry in metrics["history"]]
        for row, entry in zip(rows, metrics["history"], strict=True):
            assert set(row) == {"step", name}  # no wall-clock time: equal runs give equal bytes
            assert entry[name] is None or float(row[name]) == pytest.approx(entry[name])


def test_a_run_again_gives_the_same_curves(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)
    before = tree_of(workspace.curves("pretrain_ecg"))
    assert before
    assert train(workspace, "pretrain_ecg") == 0
    assert tree_of(workspace.curves("pretrain_ecg")) == before


def test_a_resumed_run_begins_with_what_it_remembers(tmp_path: Path) -> None:
    history = [
        {"epoch": 1, "learning_rate": 0.1, "train_loss": 3.0},
        {"epoch": 2, "learning_rate": 0.2, "train_loss": 2.0},
    ]
    curves = Curves(tmp_path / "curves")
    curves.start([])
    for entry in [*history, {"epoch": 3, "learning_rate": 0.3, "train_loss": 9.0}]:  # this epoch is lost by a kill
        curves.add(entry)
    again = Curves(tmp_path / "curves")
    again.start(history)
    again.add({"epoch": 3, "learning_rate": 0.3, "train_loss": 1.0})
    again.finish(3, 3, {"train_loss": 1.0, "val_auc": None})
    text = (tmp_path / "curves" / "plots" / "metrics" / "train_loss.tsv").read_text()
    assert text.split() == ["step", "train_loss", "1", "3.0", "2", "2.0", "3", "1.0"]
    assert "val_auc" not in json.loads((tmp_path / "curves" / "metrics.json").read_text())


def test_undefined_values_are_text_in_the_summary(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves")
    curves.start([{"epoch": 1, "learning_rate": 0.1, "train_loss": 3.0}])
    curves.add({"epoch": 2, "learning_rate": 0.2, "train_loss": float("nan")})
    assert json.loads((tmp_path / "curves" / "metrics.json").read_text()) == {
        "learning_rate": 0.2, "train_loss": "nan", "step": 2,
    }  # fmt: skip
    curves.finish(2, 1, {"learning_rate": 0.1, "train_loss": 3.0})
    assert json.loads((tmp_path / "curves" / "metrics.json").read_text()) == {
        "best_epoch": 1, "learning_rate": 0.1, "train_loss": 3.0, "step": 2,
    }  # fmt: skip


def test_every_stage_of_dvc_names_its_curves() -> None:
    stages = yaml.safe_load(shipped("dvc.yaml").read_text())["stages"]
    for name, run in (
        ("pretrain_ecg", "pretrain_ecg"),
        ("pretrain_cmr", "pretrain_cmr-${key}"),
        ("align", "align-${key}"),
    ):
        stage = stages[name].get("do", stages[name])
        assert f"reports/curves/{run}/metrics.json" in stage["metrics"][0]
        assert stage["plots"][0][f"reports/curves/{run}/plots"]["x"] == "step"


@pytest.mark.slow
def test_dvc_compares_and_draws_them(trained: Workspace, copy_of: Copy) -> None:
    workspace = copy_of(trained)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    dvc = (sys.executable, "-m", "dvc")
    content = {
        "metrics": ["reports/curves/align-traits/metrics.json"],
        "plots": [{"reports/curves/align-traits/plots": {"x": "step"}}],  # as in the shipped dvc.yaml
    }
    (workspace.root / "dvc.yaml").write_text(yaml.safe_dump(content))
    run("git", "init", "--quiet")
    run(*dvc, "init", "--quiet")
    run("git", "add", "dvc.yaml", "reports")
    run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "first")
    summary = workspace.curves("align-traits") / "metrics.json"
    changed = json.loads(summary.read_text())
    changed["val_mean_r"] = 0.75
    summary.write_text(json.dumps(changed))
    assert "val_mean_r" in run(*dvc, "metrics", "diff")
    shown = json.loads(run(*dvc, "plots", "show", "--json"))
    names = " ".join(shown.get("data", shown))
    assert "train_loss.tsv" in names
    assert "val_score.tsv" in names


def test_an_epoch_line_tells_rate_and_time_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EpochLines("align-I21", 10)
    assert list(lines.steps([1, 2], 3)) == [1, 2]
    lines.report({"epoch": 4, "learning_rate": 1e-4, "train_loss": 0.25}, 321.4)
    printed = capsys.readouterr().out
    assert "align-I21  epoch 4/10  lr 0.0001  train_loss 0.25  321/s  left 0:00:0" in printed
