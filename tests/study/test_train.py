"""Jobs are trained once, parents first; a call that was killed is continued by the next one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eccl.data.files import sha256_file
from eccl.errors import FlowError, GateError, LockedError
from eccl.study.arms import open_table
from eccl.study.jobs import Job, list_jobs
from eccl.study.record import record, why_not_recorded
from eccl.study.train import Progress, find_outdated
from eccl.versioning.repository import dvc_lock
from eccl.workspace import Workspace
from tests.study.workspace import train, versioned_workspace
from tests.support.tiny_workspace import change_params, write_gate

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.study.test_train import chosen
from tests.study.workspace import train
from eccl.workspace import Workspace

def kill(progress):
    if progress.job.stage == "align" and "epoch 2/2" in progress.line:
        os.kill(os.getpid(), signal.SIGKILL)

place = Workspace(Path(sys.argv[1]))
train(place, chosen(place), kill)
"""
MAE, ALIGNED = "pretrain_ecg.mae.s42", "align-traits.ssl_only.s42"


def chosen(place: Workspace) -> list[Job]:
    return list_jobs(open_table(place), ["ssl_only"], seeds=[42])


def outdated(place: Workspace) -> list[tuple[str, str]]:
    return [(job.run, reason) for job, reason in find_outdated(place, open_table(place), chosen(place))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose first call was killed in the last epoch of its second job."""
    place = versioned_workspace(tmp_path_factory.mktemp("table") / "workspace")
    assert outdated(place) == [(MAE, "not trained yet"), (ALIGNED, "not trained yet")]
    environment = {**os.environ, "ECCL_CHECKPOINT_SECONDS": "0"}
    root = Path(__file__).parents[2]
    call = subprocess.run([sys.executable, "-c", KILLED, str(place.root)], env=environment, cwd=root, check=False)
    assert call.returncode == -signal.SIGKILL
    return place


@pytest.fixture
def copy(place: Workspace, tmp_path: Path) -> Workspace:
    train(place, chosen(place))
    return Workspace(Path(shutil.copytree(place.root, tmp_path / "copy")))


def test_a_killed_call_is_continued_from_the_checkpoint(place: Workspace) -> None:
    weights = place.run_folder(MAE) / "weights.safetensors"
    first = weights.stat().st_mtime_ns
    assert outdated(place) == [(ALIGNED, "not trained yet")]
    seen: list[Progress] = []

    outcome = train(place, chosen(place), seen.append)

    assert (outcome.trained, outcome.unchanged) == ((ALIGNED,), (MAE,))
    assert weights.stat().st_mtime_ns == first
    lines = [one.line for one in seen if one.event == "line"]
    assert any("epoch 2/2" in line for line in lines)
    assert not any("epoch 1/2" in line for line in lines)
    assert [one.event for one in seen if one.event != "line"] == ["begun", "finished"]
    assert (seen[0].done, seen[0].total, seen[-1].done, seen[-1].left_s) == (1, 2, 2, 0)
    found = json.loads((place.run_folder(ALIGNED) / "run.json").read_text())
    assert (found["variant"], found["seed"]) == ("ssl_only", 42)
    assert train(place, chosen(place)).trained == ()


def test_a_run_after_a_kill_is_that_of_an_undisturbed_call(copy: Workspace) -> None:
    before = sha256_file(copy.run_folder(ALIGNED) / "weights.safetensors")
    shutil.rmtree(copy.run_folder(ALIGNED))
    assert train(copy, chosen(copy)).trained == (ALIGNED,)
    assert sha256_file(copy.run_folder(ALIGNED) / "weights.safetensors") == before


def test_a_kill_between_model_and_features_is_noticed(copy: Workspace) -> None:
    file = copy.features / "trait_prediction" / f"{ALIGNED}.parquet"
    content = file.read_bytes()
    file.unlink()
    assert outdated(copy) == [(ALIGNED, "its features are incomplete")]
    assert train(copy, chosen(copy)).trained == (ALIGNED,)
    assert file.read_bytes() == content
    other = copy.features / "trait_prediction" / "another.parquet"
    other.write_bytes(content)
    change_params(copy, **{"align.dropout": 0.3})
    assert outdated(copy) == [(ALIGNED, "its parameters changed")]
    train(copy, chosen(copy))
    shutil.copy(other, file)  # features of the earlier run of that name
    assert outdated(copy) == [(ALIGNED, "its features are incomplete")]


def test_only_what_changed_is_trained_again(copy: Workspace) -> None:
    before = copy.arms_file.read_text()
    copy.arms_file.write_text(before.replace("title: SSL,", "title: Renamed,"))
    assert outdated(copy) == []
    copy.arms_file.write_text(before.replace("{contrastive_weight: 0.0}", "{contrastive_weight: 0.0, dropout: 0.2}"))
    assert outdated(copy) == [(ALIGNED, "its parameters changed")]
    copy.arms_file.write_text(before.replace("mae: {}", "mae: {optimiser.learning_rate: 0.002}"))
    assert outdated(copy) == [(MAE, "its parameters changed"), (ALIGNED, f"builds on {MAE}")]
    train(copy, list_jobs(open_table(copy), ["mae"], seeds=[42]))
    assert outdated(copy) == [(ALIGNED, "a parent changed")]


def test_new_data_make_every_run_outdated(copy: Workspace) -> None:
    (copy.tables / "added.parquet").write_bytes((copy.tables / "splits.parquet").read_bytes())
    assert outdated(copy) == [(MAE, "the data changed"), (ALIGNED, f"builds on {MAE}")]


def test_a_job_that_fails_is_reported_and_the_others_stay(copy: Workspace) -> None:
    jobs = [*chosen(copy), *list_jobs(open_table(copy), ["mae"], seeds=[43])]
    shutil.rmtree(copy.data / "ecg.zarr")
    with pytest.raises(
        FlowError, match=r"(?s)pretrain_ecg\.mae\.s43 failed: .*0 jobs were trained before it.*1 are left"
    ):
        train(copy, jobs)
    assert (copy.run_folder(ALIGNED) / "run.json").is_file()


def test_two_calls_at_once_are_refused(place: Workspace) -> None:
    with dvc_lock(place.root, "eccl table1"), pytest.raises(LockedError, match="busy with `eccl table1"):
        train(place, chosen(place))


def test_nothing_is_trained_without_a_passed_gate(place: Workspace) -> None:
    write_gate(place, status="red")
    try:
        with pytest.raises(GateError):
            train(place, chosen(place))
    finally:
        write_gate(place)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_only_the_experiments_are_committed(copy: Workspace) -> None:
    assert record(copy, "Table 1") is None
    assert _git(copy.root, "ls-files").split() == ["experiments/arms.yaml"]
    (copy.root / "notes.md").write_text("mine\n")
    (copy.root / "experiments" / "test_access.json").write_text("[]\n")
    _git(copy.root, "add", "notes.md")
    assert record(copy, "Table 1") is None
    assert _git(copy.root, "log", "-1", "--format=", "--name-only").split() == ["experiments/test_access.json"]
    assert "notes.md" in _git(copy.root, "diff", "--cached", "--name-only").split()


def test_a_commit_that_is_not_possible_is_reported(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy.root / ".git" / "index.lock").touch()
    assert "was not recorded in git" in str(record(copy, "Table 1"))
    (copy.root / ".git" / "index.lock").unlink()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    _git(copy.root, "config", "--remove-section", "user")
    _git(copy.root, "config", "user.useConfigOnly", "true")
    assert "has no name of a committer" in str(why_not_recorded(copy))
    assert record(copy, "Table 1") is None  # reported before the training


def test_a_workspace_without_git_of_its_own_is_not_committed(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "config", "user.email", "eccl@localhost")
    _git(tmp_path, "config", "user.name", "eccl")
    (tmp_path / "notes.md").write_text("mine\n")
    _git(tmp_path, "add", "notes.md")
    _git(tmp_path, "commit", "--quiet", "-m", "Mine")
    inner = tmp_path / "workspace"
    for folder in ("experiments", ".dvc"):
        (inner / folder).mkdir(parents=True)
    (inner / "experiments" / "test_access.json").write_text("[]\n")
    (inner / ".dvc" / "config").write_text("[core]\n    no_scm = True\n")
    assert why_not_recorded(Workspace(inner)) is None
    assert record(Workspace(inner), "Table 1") is None
    assert _git(tmp_path, "log", "--format=%s") == "Mine\n"
