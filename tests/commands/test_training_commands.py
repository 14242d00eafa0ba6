"""Each training stage once at its smallest size, and the commands that estimate, check and draw."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from eccl.study.__main__ import main as train_run
from eccl.training.runs import load_run
from eccl.workspace import Workspace
from tests.evaluation.associations.associations_place import make_place
from tests.support.cli import run_cli
from tests.support.workspaces import copy_all, copy_data

ARMS = """
reference: eccl
seeds: [42]
pretraining:
  pretrain_ecg: {mae: {}}
  pretrain_cmr: {swin: {}}
  pretrain_cmae: {cmae: {}}
arms:
  cmae:
    {title: CMAE, group: table, stage: align, parents: {pretrain_cmae: cmae}, tasks: [traits],
     changes: {init_from: pretrain_cmae, contrastive_weight: 0.0}}
  eccl: {title: ECCL, group: table, stage: align, parents: {pretrain_ecg: mae, pretrain_cmr: swin}, changes: {}}
  probe: {title: Probe, group: beyond, stage: probe, parents: {align: eccl}, changes: {}}
"""
RUNS = (
    "pretrain_ecg.mae.s42",
    "pretrain_cmr-traits.swin.s42",
    "pretrain_cmae.cmae.s42",
    "align-traits.eccl.s42",
    "probe-traits.probe.s42",
)


@pytest.fixture(scope="module")
def study(untrained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A tiny workspace with a run of every stage."""
    place = copy_all(untrained, tmp_path_factory.mktemp("every stage") / "workspace")
    place.arms_file.parent.mkdir()
    place.arms_file.write_text(ARMS)
    for run in RUNS:
        assert train_run([run, "--workspace", str(place.root)]) == 0, run
    return place


def test_every_stage_trains_and_records_its_weights(study: Workspace) -> None:
    for run in RUNS:
        record = load_run(study, run).record
        assert record["stage"] == run.partition(".")[0].partition("-")[0]
        assert len(record["weights_sha256"]) == 64


def test_figures_draws_what_is_trained_and_names_what_is_not(study: Workspace) -> None:
    done = run_cli("figures", "--json", cwd=study.root)
    assert done.returncode == 1  # no run of a disease
    answer = json.loads(done.stdout)
    assert "figure 2d" in done.stderr
    assert all((study.root / name).stat().st_size > 0 for name in answer["files"])
    points = pl.read_parquet(study.reports / "figures" / "points.parquet")
    assert "align-traits.eccl.s42" in set(points["run"])


def test_training_is_estimated_without_a_workspace_or_in_one(study: Workspace) -> None:
    done = run_cli("train", "pretrain_ecg", "--dry-run", "--json", cwd=study.root)
    assert done.returncode == 0, done.stderr
    (stage,) = json.loads(done.stdout)
    assert stage["stage"] == "pretrain_ecg"
    assert stage["steps"] > 0


def test_associations_are_fitted_and_written(tmp_path: Path) -> None:
    place = make_place(tmp_path, splits=("test", "test", "val", "val"))
    done = run_cli("associations", "--split", "val", "--json", cwd=place.root)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) > 0
    assert (place.reports / "associations" / "associations.parquet").is_file()


def test_the_gate_is_run_in_this_process(ingested: Workspace, tmp_path: Path) -> None:
    place = copy_data(ingested, tmp_path / "place")
    done = run_cli("stage", "validate", cwd=place.root)
    gate = json.loads((place.gate / "gate.json").read_text())
    assert f"Gate {gate['status']} on data version" in done.stdout
    assert done.returncode == (gate["status"] == "failed")


def test_a_dry_run_of_the_demo_writes_nothing(tmp_path: Path) -> None:
    done = run_cli("demo", "study", "--participants", "8", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert "Nothing was written" in done.stdout
    assert list(tmp_path.iterdir()) == []
