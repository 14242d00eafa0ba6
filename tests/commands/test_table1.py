"""``eccl table1`` on the command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from eccl.errors import ConfigError, LockedError, SplitError
from eccl.versioning.repository import dvc_lock
from eccl.workspace import Workspace
from tests.study.workspace import versioned_workspace
from tests.support.cli import Outcome, run_cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return versioned_workspace(tmp_path_factory.mktemp("table1") / "workspace")


def call(place: Workspace, *arguments: str) -> Outcome:
    return run_cli("table1", *arguments, cwd=place.root)


def output(place: Workspace, *arguments: str) -> str:
    done = call(place, *arguments)
    if done.error is not None:
        raise done.error
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dry_run_lists_jobs_and_writes_nothing(place: Workspace) -> None:
    done = output(place, "--arms", "eccl", "--tasks", "I50", "--seeds", "43", "--dry-run", "--verbose")
    lines = done.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [
        "pretrain_ecg.mae.s43",
        "pretrain_cmr-I50.swin.s43",
        "align-I50.eccl.s43",
    ]
    assert lines[-1].startswith("3 jobs, 3 to run: no time was measured yet")
    assert not place.models.exists()
    answer = json.loads(output(place, "--group", "table", "--dry-run", "--json"))
    assert answer["to_run"] == len(answer["jobs"]) == 12
    assert answer["seconds"] is None
    assert answer["jobs"][1] == {
        "stage": "align", "task": "traits", "variant": "ssl_only", "seed": 42, "run": "align-traits.ssl_only.s42",
        "parents": ["pretrain_ecg.mae.s42"], "reason": "not trained yet",
    }  # fmt: skip


def test_a_dry_run_sums_up_by_arm(place: Workspace) -> None:
    head, *lines, total = output(place, "--dry-run").splitlines()
    assert head.split() == ["pre-training", "or", "arm", "jobs", "to", "run", "time"]
    assert [line.split() for line in lines] == [
        ["pretrain_ecg", "mae", "2", "2", "?"],
        ["pretrain_cmr", "swin", "4", "4", "?", "CMR"],
        ["align", "ssl_only", "2", "2", "?", "SSL"],
        ["align", "eccl", "4", "4", "?", "ECCL"],
    ]
    assert total.startswith("12 jobs, 12 to run")
    answer = json.loads(output(place, "--dry-run", "--json"))
    assert [(one["variant"], one["jobs"]) for one in answer["variants"]] == [
        ("mae", 2), ("swin", 4), ("ssl_only", 2), ("eccl", 4),
    ]  # fmt: skip


@pytest.mark.parametrize("more", [["--dry-run"], ["--train-only"]])
def test_arms_that_cannot_be_trained_are_reported_before_the_first_job(place: Workspace, more: list[str]) -> None:
    before = place.arms_file.read_text()
    try:
        place.arms_file.write_text(
            before.replace("title: ECCL", "title: E").replace("{}, tasks: [traits", "{poling: mean}, tasks: [traits")
        )
        with pytest.raises(
            ConfigError, match=r"1 problems together.*\n  arms\.eccl: align\.poling: there is no such key"
        ):
            output(place, *more)
    finally:
        place.arms_file.write_text(before)
    assert not place.models.exists()


def test_it_trains_what_is_missing_and_writes_the_table_once(place: Workspace) -> None:
    chosen = ("--arms", "ssl_only", "--seeds", "42")
    trained = call(place, *chosen, "--train-only")
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == "2 jobs: 2 trained, 0 were up to date; no table was written\n"
    assert "[1/2] pretrain_ecg.mae.s42 finished" in trained.stderr
    assert "[2/2] align-traits.ssl_only.s42 finished  left 0:00:00" in trained.stderr
    assert not (place.reports / "table1.md").exists()
    answer = json.loads(output(place, *chosen, "--json"))
    assert (answer["trained"], len(answer["unchanged"])) == ([], 2)
    assert (place.reports / "table1.md").read_text().strip() == answer["table"].strip()
    assert json.loads(output(place, *chosen, "--dry-run", "--json"))["to_run"] == 0
    selection = json.loads((place.reports / "table1" / "selection.json").read_text())
    scores = {run: (entry["rule"], entry["validation_score"]) for run, entry in selection["runs"].items()}
    assert {run: rule for run, (rule, _) in scores.items()} == {
        "pretrain_ecg.mae.s42": "loss", "align-traits.ssl_only.s42": "mean_r",
    }  # fmt: skip
    assert scores["pretrain_ecg.mae.s42"][1] < 0 < 1 > abs(scores["align-traits.ssl_only.s42"][1])
    command = ["git", "ls-tree", "-r", "--name-only", "HEAD"]
    committed = subprocess.run(command, cwd=place.root, capture_output=True, text=True, check=True).stdout.split()
    assert committed == ["experiments/arms.yaml", "experiments/test_access.json"]


def test_a_pretraining_alone_does_not_read_the_test_split(place: Workspace) -> None:
    done = call(place, "--arms", "swin", "--tasks", "I50", "--seeds", "43")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("no table was written\n")
    assert len(json.loads((place.arms_file.parent / "test_access.json").read_text())) == 1


def test_another_access_without_a_reason_is_refused_before_the_training(place: Workspace) -> None:
    before = {path.name for path in place.models.iterdir()}
    with pytest.raises(SplitError, match=r"of the 3 chosen runs are to be trained.*nothing was trained.*--rescore"):
        output(place, "--arms", "eccl", "--tasks", "I50", "--seeds", "42")
    assert {path.name for path in place.models.iterdir()} == before
    assert len(json.loads((place.arms_file.parent / "test_access.json").read_text())) == 1


def test_two_calls_at_once_are_refused_and_a_dry_run_is_not(place: Workspace) -> None:
    with dvc_lock(place.root, "eccl table1"):
        with pytest.raises(LockedError, match="busy with `eccl table1"):
            output(place, "--arms", "ssl_only")
        output(place, "--arms", "ssl_only", "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms", "tripplet"], "no tripplet"),
        (["--seeds", "7"], "no 7; it has 42, 43"),
        (["--group", "tables"], "no tables"),
    ],
)
def test_a_choice_outside_of_the_table_is_refused(place: Workspace, arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        output(place, *arguments)


def test_seeds_are_numbers(place: Workspace) -> None:
    done = call(place, "--seeds", "4x")
    assert done.returncode == 2
    assert "whole numbers" in done.stderr
    done = call(place, "--arms", " ,")
    assert done.returncode == 2
    assert "names nothing" in done.stderr


def test_a_workspace_of_an_older_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("preset: demo\n")
    with pytest.raises(ConfigError, match="made by an older version"):
        output(Workspace(tmp_path), "--dry-run")
