"""Jobs through DVC: what is missing is run, once; a killed call is taken up by the next one."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eccl.errors import FlowError, GateError, LockedError
from eccl.study.scheduler.jobs import list_jobs
from eccl.study.scheduler.pipeline import open_table, write_pipeline
from eccl.study.scheduler.record import record, why_not_recorded
from eccl.study.scheduler.run import Progress, find_stale
from eccl.workspace import Workspace
from tests.study.scheduler.workspace import train, versioned_workspace
from tests.support.tiny_workspace import write_gate

CALL = """
import sys
from pathlib import Path
from eccl.study.scheduler.jobs import list_jobs
from eccl.study.scheduler.pipeline import open_table
from eccl.study.scheduler.run import hold, run_jobs
from eccl.workspace import Workspace

pytestmark = pytest.mark.slow

place = Workspace(Path(sys.argv[1]))
table = open_table(place)
jobs = list_jobs(table, ["ssl_only"], seeds=[42])
with hold(place) as lock:
    run_jobs(place, table, jobs, "tiny", lock, lambda told: print(told.what, told.job.run, flush=True))
"""
MAE, ALIGNED = "pretrain_ecg.mae.s42", "align-traits.ssl_only.s42"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    place = versioned_workspace(tmp_path_factory.mktemp("table") / "workspace")
    write_pipeline(place, open_table(place))
    return place


def _processes(place: Workspace) -> list[str]:
    """Command lines of living processes that speak of the workspace, or whose folder it is."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            is_here = (folder / "cwd").resolve() == place.root
        except OSError:
            continue
        if command and (is_here or str(place.root) in command):
            found.append(command)
    return found


def test_a_killed_call_ends_what_it_started_and_the_next_one_goes_on(place: Workspace) -> None:
    jobs = list_jobs(open_table(place), ["ssl_only"], seeds=[42])
    assert [job.run for job in jobs] == [MAE, ALIGNED]
    assert [(job.run, why) for job, why in find_stale(place, open_table(place), jobs)] == [
        (MAE, "not trained yet"),
        (ALIGNED, "not trained yet"),
    ]
    with subprocess.Popen([sys.executable, "-c", CALL, str(place.root)], stdout=subprocess.PIPE, text=True) as call:
        assert call.stdout is not None
        for line in call.stdout:
            if line.split() == ["begun", ALIGNED]:
                break
        call.send_signal(signal.SIGKILL)
    until = time.monotonic() + 300
    while _processes(place) and time.monotonic() < until:
        time.sleep(0.1)
    assert _processes(place) == []
    first = (place.run_folder(MAE) / "weights.safetensors").stat().st_mtime_ns
    assert not (place.run_folder(ALIGNED) / "run.json").exists()

    told: list[Progress] = []
    outcome = train(place, jobs, told.append)

    assert outcome.trained == (ALIGNED,)
    assert outcome.unchanged == (MAE,)
    assert (place.run_folder(MAE) / "weights.safetensors").stat().st_mtime_ns == first
    assert [one.what for one in told if one.what != "epoch"] == ["begun", "finished"]
    assert (told[0].done, told[0].total, told[-1].done) == (1, 2, 2)
    assert told[-1].left_s == 0
    assert any(one.note.startswith("epoch 1/2") for one in told)
    record = json.loads((place.run_folder(ALIGNED) / "run.json").read_text())
    assert (record["variant"], record["seed"]) == ("ssl_only", 42)
    assert train(place, jobs).trained == ()


def test_what_is_finished_is_recorded_in_git_and_invisible_to_the_own_pipeline(place: Workspace) -> None:
    def run(*command: str) -> str:
        return subprocess.run(command, cwd=place.root, capture_output=True, text=True, check=True).stdout

    assert "experiments/s42/dvc.lock" in run("git", "ls-files")
    assert run(sys.executable, "-m", "dvc", "status", "--json").strip() in {"", "{}"}


def _log(place: Workspace, *arguments: str) -> list[str]:
    command = ["git", "log", *arguments]
    return subprocess.run(command, cwd=place.root, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def test_only_the_experiments_are_committed(place: Workspace) -> None:
    assert {name.partition("/")[0] for name in _log(place, "--format=", "--name-only")} == {"experiments"}
    (place.root / "params.yaml").write_text((place.root / "params.yaml").read_text() + "# mine\n")
    (place.root / "experiments" / "looks.json").write_text("[]\n")
    subprocess.run(["git", "add", "params.yaml"], cwd=place.root, check=True)
    # A call that has nothing to train records what an earlier one left.
    assert train(place, list_jobs(open_table(place), ["ssl_only"], seeds=[42])).trained == ()
    assert _log(place, "-1", "--format=", "--name-only") == ["experiments/looks.json"]
    staged = subprocess.run(["git", "diff", "--cached", "--name-only"], cwd=place.root, capture_output=True, text=True)
    assert "params.yaml" in staged.stdout.split()


def test_an_arm_that_changes_is_trained_again_and_no_other(place: Workspace) -> None:
    before = place.arms_file.read_text()
    try:
        place.arms_file.write_text(before.replace("title: SSL,", "title: Renamed,"))
        table = open_table(place)
        write_pipeline(place, table)
        assert find_stale(place, table, list_jobs(table, ["ssl_only"], seeds=[42])) == []
        place.arms_file.write_text(
            before.replace("{contrastive_weight: 0.0}", "{contrastive_weight: 0.0, dropout: 0.2}")
        )
        table = open_table(place)
        write_pipeline(place, table)
        jobs = list_jobs(table, ["ssl_only"], seeds=[42])
        assert [(job.run, why) for job, why in find_stale(place, open_table(place), jobs)] == [
            (ALIGNED, "changed deps")
        ]
    finally:
        place.arms_file.write_text(before)
        write_pipeline(place, open_table(place))


def test_a_job_that_fails_is_told_with_its_last_lines(place: Workspace) -> None:
    jobs = list_jobs(open_table(place), ["mae"], seeds=[43])
    file = place.data / "tables" / "splits.parquet"
    content = file.read_bytes()
    try:
        file.unlink()
        write_gate(place)
        with pytest.raises(FlowError, match=r"(?s)pretrain_ecg\.mae\.s43 failed.*1 are left.*splits"):
            train(place, jobs)
    finally:
        file.write_bytes(content)
        write_gate(place)


def test_without_a_committer_it_trains_and_says_before_that_nothing_is_recorded(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    config = place.root / ".git" / "config"
    before, commits = config.read_text(), _log(place, "--format=%H")
    jobs = list_jobs(open_table(place), ["mae"], seeds=[43])
    order: list[str] = []
    try:
        for command in (["--remove-section", "user"], ["user.useConfigOnly", "true"]):
            subprocess.run(["git", "config", *command], cwd=place.root, check=True)
        outcome = train(place, jobs, lambda told: order.append(told.what), order.append)
    finally:
        config.write_text(before)
    assert outcome.trained == ("pretrain_ecg.mae.s43",)
    assert "does not know who commits" in order[0]
    assert order[1] == "begun"
    assert _log(place, "--format=%H") == commits


def test_a_commit_that_fails_hides_no_failure_of_a_job(place: Workspace) -> None:
    jobs = list_jobs(open_table(place), ["eccl"], tasks=["I50"], seeds=[43])
    lock, file = place.root / ".git" / "index.lock", place.data / "tables" / "splits.parquet"
    content, warnings = file.read_bytes(), list[str]()
    try:
        lock.touch()
        file.unlink()
        write_gate(place)
        with pytest.raises(FlowError, match=r"failed \(exit 1\)"):
            train(place, jobs, on_warning=warnings.append)
    finally:
        lock.unlink()
        file.write_bytes(content)
        write_gate(place)
    assert len(warnings) == 1
    assert "was not recorded in git" in warnings[0]


def test_two_calls_at_once_are_refused(place: Workspace) -> None:
    jobs = list_jobs(open_table(place), ["mae"], seeds=[43])
    with (place.state / "dvc.lock").open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(f"dvc push, process {os.getpid()}")
        stream.flush()
        with pytest.raises(LockedError, match="busy with `dvc push"):
            train(place, jobs)
        stream.truncate(0)


def test_nothing_is_trained_on_data_without_a_gate(place: Workspace) -> None:
    jobs = list_jobs(open_table(place), ["mae"], seeds=[43])
    write_gate(place, status="failed")
    try:
        with pytest.raises(GateError):
            train(place, jobs)
    finally:
        write_gate(place)


def test_a_folder_of_somebody_elses_repository_is_not_committed(tmp_path: Path) -> None:
    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    git("config", "user.email", "eccl@localhost")
    git("config", "user.name", "eccl")
    (tmp_path / "notes.md").write_text("mine\n")
    git("add", "notes.md")
    git("commit", "--quiet", "-m", "Mine")
    inner = tmp_path / "workspace"
    (inner / "experiments").mkdir(parents=True)
    (inner / "experiments" / "looks.json").write_text("[]\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=inner, check=True)
    assert why_not_recorded(Workspace(inner)) is None
    assert record(Workspace(inner)) is None
    assert git("log", "--format=%s") == "Mine\n"
