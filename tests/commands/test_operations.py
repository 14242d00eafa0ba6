"""The commands status, doctor and validate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eccl.versioning.initialise import init_workspace
from eccl.workspace import Workspace
from tests.support.cli import run_cli, run_process
from tests.support.runs import finish_every_run
from tests.support.workspaces import copy_data


@pytest.fixture(scope="module")
def place(ingested: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Data without gate, runs and git; tests only read it."""
    return copy_data(ingested, tmp_path_factory.mktemp("operations") / "place")


def test_status_fits_a_screen_and_ends_with_the_next_command(place: Workspace) -> None:
    done = run_cli("status", "--quick", cwd=place.root)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert [line.split()[0] for line in lines if line[0] != " "] == [
        "data", "missing", "quarantine", "gate", "runs", "release", "next",
    ]  # fmt: skip
    assert lines[-1].startswith("next        eccl validate    (")
    answer = json.loads(run_cli("status", "--quick", "--json", cwd=place.root).stdout)
    assert answer["next"]["command"] == "eccl validate"
    assert answer["data"]["rows"]["recordings"] > 0


def test_doctor_lists_its_checks_and_exits_with_1_on_a_problem(place: Workspace, tmp_path: Path) -> None:
    done = run_cli("doctor", "--json", "--workers", "1", cwd=place.root)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["params.yaml"]["state"] == "ok"
    assert done.returncode == int(any(check["state"] == "problem" for check in checks.values()))
    (tmp_path / "params.yaml").write_text("preset: demo\nunknown: 1\n")
    wrong = run_cli("doctor", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "problem  params.yaml" in wrong.stdout
    assert "Traceback" not in wrong.stderr


def test_doctor_outside_a_workspace_checks_the_installation(tmp_path: Path) -> None:
    done = run_cli("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "packages" in done.stdout
    assert run_cli("doctor", "--workspace", str(tmp_path), cwd=tmp_path).returncode == 1  # named


def test_validate_without_the_gate_prints_the_store_and_exits_with_1_if_it_is_damaged(
    ingested: Workspace, tmp_path: Path
) -> None:
    broken = copy_data(ingested, tmp_path / "broken")
    done = run_cli("validate", "--no-gate", "--all-slots", cwd=broken.root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "|-- ecg.zarr/raw" in done.stdout
    assert "every slot read back" in done.stdout
    finish_every_run(broken)  # features and records, but no weights
    shutil.copyfile(broken.data / "cine.zarr/frames/c/0/0/0/0", broken.data / "cine.zarr/frames/c/1/0/0/0")
    done = run_cli("validate", "--no-gate", "--all-slots", "--json", cwd=broken.root)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["gate_passed"] is None
    found = {(one["where"], one["severity"]) for one in answer["findings"]}
    assert ("data/cine.zarr/frames", "critical") in found
    assert ("models/align-I50", "critical") in found


@pytest.mark.slow
def test_validate_runs_the_gate_first_and_prints_json_only(ingested: Workspace, tmp_path: Path) -> None:
    workspace = init_workspace(tmp_path / "study")
    shutil.copytree(ingested.data, workspace.data)
    shutil.copyfile(ingested.params_file, workspace.params_file)
    done = run_process("validate", "--json", cwd=workspace.root)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["gate_passed"], answer["is_sound"], answer["critical"]) == (True, True, 0)
    [gate] = [node for node in answer["tree"]["children"] if node["name"] == "reports/gate"]
    assert gate["severity"] == "ok"
    assert (workspace.reports / "product/tree.txt").is_file()
