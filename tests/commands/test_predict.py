"""`eccl predict` and `eccl card` in a workspace without a model; with models, see tests/inference/test_command.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.data.parts import read_table
from eccl.errors import EcclError, FeatureError, WorkspaceError
from eccl.workspace import Workspace
from tests.support.cli import run_cli
from tests.support.tiny_workspace import Copy


@pytest.mark.parametrize("verb", ["predict", "card"])
def test_help_has_an_example(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert f"Example: eccl {verb}" in done.output


def test_a_folder_needs_a_place_for_the_answers_and_a_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "ecg.xml").write_text("<a/>")
    for arguments in ([str(tmp_path)], [str(tmp_path / "ecg.xml"), "--out", str(tmp_path / "out")]):
        done = CliRunner().invoke(app, ["predict", *arguments])
        assert done.exit_code == 2
        assert "--out" in done.output


def error_of(*arguments: str) -> EcclError:
    done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, EcclError)
    return done.exception


def test_without_runs_the_error_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\n")
    (tmp_path / "ecg.xml").write_text("<a/>")
    place = ["--workspace", str(tmp_path)]
    missing = error_of("predict", str(tmp_path / "ecg.xml"), *place)
    assert isinstance(missing, WorkspaceError)
    assert "eccl train align@traits" in str(missing)
    unknown = error_of("predict", str(tmp_path / "ecg.xml"), "--run", "align-I50", *place)
    assert isinstance(unknown, FeatureError)
    assert "eccl train align" in str(unknown)
    assert "eccl train" in str(error_of("card", *place))
    assert not (tmp_path / "reports").exists()


def test_a_model_gets_a_card_and_a_recording_predictions_without_the_training_data(
    trained: Workspace, copy_of: Copy, raw_cohort: Path, ingested: Workspace
) -> None:
    place = copy_of(trained)
    done = run_cli("card", cwd=place.root)
    assert done.returncode == 0, done.stderr
    assert "align-I50" in done.stdout
    shutil.rmtree(place.data)
    recording = read_table(ingested.data, "recordings").to_pylist()[0]
    done = run_cli("predict", raw_cohort / recording["path"], "--run", "align-I50", "--json", cwd=place.root)
    assert done.returncode == 0, done.stderr
    (disease,) = json.loads(done.stdout)["diseases"]
    assert disease["code"] == "I50"
