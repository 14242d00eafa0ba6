"""``eccl adopt`` as a user meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.training.settings import choose_preset, load_params
from eccl.workspace import Workspace, shipped


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    place = Workspace(tmp_path)
    place.arms_file.parent.mkdir()
    shutil.copy(shipped("experiments") / "arms.yaml", place.arms_file)
    shutil.copy(shipped("params.yaml"), place.params_file)
    return place


def call(place: Workspace, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["adopt", *arguments, "--workspace", str(place.root)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_arm_becomes_a_preset_that_can_be_chosen(place: Workspace) -> None:
    before = place.params_file.read_text()
    shown = call(place, "mean_pooling", "--dry-run")
    assert "\ndemo_mean_pooling:\n" in shown
    assert place.params_file.read_text() == before
    printed = call(place, "mean_pooling")
    assert "`eccl train --preset demo_mean_pooling`" in printed
    choose_preset(place.params_file, "demo_mean_pooling")  # as eccl train --preset does
    assert load_params(place.params_file).preset.align.pooling == "mean"


def test_json(place: Workspace) -> None:
    assert json.loads(call(place, "resnet50", "--preset", "recipe", "--json")) == {
        "preset": "recipe",
        "base": "demo",
        "arm": "resnet50",
        "changes": {"pretrain_cmr.encoder": {"use": "alternatives.cmr.resnet50"}},
        "is_written": True,
    }
