"""Flows with the real Prefect, DVC and git: their steps, and what stops them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from eccl.data.parts import data_version
from eccl.errors import FlowError, GateError
from eccl.versioning.initialise import init_workspace
from eccl.workspace import Workspace
from flows.train import choose_stages, is_result
from tests.support.workspaces import copy_data

pytestmark = pytest.mark.usefixtures("prefect_server")

STAGES = [
    "validate",
    "pretrain_ecg",
    "pretrain_cmr@traits",
    "pretrain_cmr@I21",
    "align@traits",
    "align@I21",
    "evaluate",
    "publish",
]

PIPELINE = """
stages:
  validate:
    cmd: python -c "import gate"
    deps: [data]
  first:
    cmd: echo one > first.txt
    deps: [data]
    outs: [first.txt]
  second:
    cmd: echo reading && test -f allowed.txt && echo two > second.txt
    deps: [first.txt]
    outs: [second.txt]
  third:
    cmd: test "$ECCL_WORKSPACE" = "$PWD" && echo three > third.txt
    deps: [second.txt]
    outs: [third.txt]
"""


@pytest.fixture
def place(ingested: Workspace, tmp_path: Path) -> Workspace:
    """A repository with the ingested cohort and its own small pipeline."""
    found = init_workspace(tmp_path / "study", {"ecg_shard_rows": 4, "cine_shard_rows": 3})
    shutil.copytree(ingested.data, found.data)
    return found


def open_gate(place: Workspace, status: str) -> None:
    place.gate.mkdir(parents=True, exist_ok=True)
    content = {"status": status, "data_version": data_version(place.data), "critical_failures": 2, "warnings": 0}
    (place.gate / "gate.json").write_text(
        json.dumps({**content, "expectations": 9, "results_sha256": "ab", "override": None})
    )


def test_groups_and_names_become_stages_in_order() -> None:
    assert choose_stages(STAGES, None) == STAGES[1:-1]
    assert choose_stages(STAGES, ["align", "pretrain_ecg"]) == ["pretrain_ecg", "align@traits", "align@I21"]
    assert choose_stages(STAGES, ["align@I21"]) == ["align@I21"]
    with pytest.raises(FlowError, match="no stage alignn"):
        choose_stages(STAGES, ["alignn"])


@pytest.mark.slow
def test_training_stops_at_the_first_failure_and_resumes_there(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.train import train

    monkeypatch.setenv("ECCL_WORKSPACE", "/elsewhere")  # a worker's own; stages run in the flow's workspace
    (place.root / "dvc.yaml").write_text(PIPELINE)
    open_gate(place, "passed")
    with pytest.raises(FlowError, match=r"stage second failed[\s\S]*reading"):
        train(place.root)
    assert (place.root / "first.txt").exists()
    assert not (place.root / "third.txt").exists()
    (place.root / "allowed.txt").touch()
    assert train(place.root) == ["second", "third"]
    assert train(place.root) == []


def test_a_failed_gate_blocks_training(ingested: Workspace, tmp_path: Path) -> None:
    from flows.train import train

    place = copy_data(ingested, tmp_path / "place")  # without DVC: the gate is read first
    open_gate(place, "failed")
    with pytest.raises(GateError):
        train(place.root)


def test_a_repeated_ingest_records_one_version(raw_cohort: Path, tmp_path: Path) -> None:
    from flows.ingest import ingest

    place = init_workspace(tmp_path / "study", {"ecg_shard_rows": 4, "cine_shard_rows": 3})
    report = ingest(place.root, raw_cohort, 2)
    assert report.is_changed
    assert place.database.exists()
    log = _git(place, "log", "--format=%s")
    assert log.splitlines()[0] == f"Data version {report.data_version}"
    assert not ingest(place.root, raw_cohort, 2).is_changed
    assert _git(place, "log", "--format=%s") == log


def test_a_failed_gate_leaves_no_version(place: Workspace) -> None:
    from flows.ingest import record_version
    from flows.validate import validate

    (shard,) = (place.data / "cine.zarr/frames/c/0").rglob("0/0/0")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises((FlowError, GateError)):
        validate(place.root)
    with pytest.raises(GateError):
        record_version.fn(place.root)
    assert not (place.root / "data.dvc").exists()


def _git(place: Workspace, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=place.root, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("align-I50-4e43075d04e4  best epoch 2  weights e360f289530f", True),
        ("| ECCL | test | 0.714 (5/12) |", True),
        ("align-I50  epoch 29/30  lr 2.28e-05  train_loss 2.635", False),
        ("Running stage 'align@I50':", False),
        ("      git add dvc.lock", False),
    ],
)
def test_the_terminal_shows_results_and_no_epochs(line: str, is_shown: bool) -> None:
    assert is_result(line) is is_shown
