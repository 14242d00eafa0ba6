"""The doctor reports what will fail and what to do about it, without credentials."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from eccl.config import Params, load_params
from eccl.data.lock import writing
from eccl.ledger.tombstones import KEY_NAME, Tombstones
from eccl.operations.doctor import OK, PROBLEM, WARNING, check_packages, examine, is_fit
from eccl.operations.machine import GB, check_clock, check_disk, check_memory, check_open_files
from eccl.operations.surroundings import check_key, check_lock, check_remote, check_server, hide_credentials
from eccl.versioning.initialise import init_workspace
from eccl.versioning.repository import run_git
from eccl.workspace import Workspace, shipped


def test_this_installation_is_fit() -> None:
    checks = {check.name: check for check in examine(None)}
    assert {checks[name].state for name in ("python", "packages", "git")} == {OK}
    assert "none here" in checks["workspace"].found


def test_packages_that_do_not_fit_together_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "eccl": ["torch>=2", "torchvision", "absent>=1; extra == 'dask'"],
        "torchvision": ["torch==2.9"],
        "torch": ["sympy"],
    }
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}
    monkeypatch.setattr("eccl.operations.doctor.distribution", lambda name: SimpleNamespace(requires=found[name]))
    monkeypatch.setattr("eccl.operations.doctor._version", versions.get)
    check = check_packages()
    assert (check.state, check.found) == (PROBLEM, "sympy is missing; torch 2.13.0+cpu, torchvision requires ==2.9")


def test_a_workspace_is_checked_completely(place: Workspace) -> None:
    checks = {check.name: check for check in examine(place, workers=1)}
    assert set(checks) >= {
        "params.yaml",
        "disk",
        "open files",
        "memory",
        "clock",
        "repository",
        "lock",
        "schedule",
        "tombstone key",
    }
    assert checks["repository"].state == WARNING  # no git here
    assert all(check.remedy for check in checks.values() if check.state != OK)


def test_wrong_parameters_are_a_problem_and_the_rest_is_checked(place: Workspace) -> None:
    place.params_file.write_text("preset: demo\ningest: {shards: 3}\n")
    checks = examine(place)
    assert not is_fit(checks)
    [params] = [check for check in checks if check.name == "params.yaml"]
    assert (params.state, "ingest.shards" in params.found) == (PROBLEM, True)
    assert any(check.name == "lock" for check in checks)


@pytest.mark.parametrize(
    ("free", "taken", "state"), [(100, 10, OK), (9, 10, WARNING), (0.2, 0, PROBLEM), (6, 100, PROBLEM)]
)
def test_disk(free: float, taken: float, state: str) -> None:
    assert check_disk(int(free * GB), int(taken * GB)).state == state


@pytest.mark.parametrize(("limit", "state"), [(64, PROBLEM), (256, WARNING), (4096, OK), (resource.RLIM_INFINITY, OK)])
def test_open_files(limit: int, state: str) -> None:
    assert check_open_files(limit).state == state


@pytest.mark.parametrize(("gigabytes", "workers", "state"), [(64, 2, OK), (8, 2, WARNING), (1, 8, PROBLEM)])
def test_memory(gigabytes: int, workers: int, state: str) -> None:
    params = load_params(shipped("params.yaml"))
    assert check_memory(gigabytes * GB, params, workers).state == state


def test_memory_is_that_of_the_larger_kind() -> None:
    many_cines = Params.model_validate({"ingest": {"cine_shard_rows": 4096}})
    assert check_memory(8 * GB, Params(), 2).state == WARNING
    assert check_memory(8 * GB, many_cines, 2).state == PROBLEM


def test_a_clock_behind_the_latest_release(place: Workspace) -> None:
    now = datetime.now(UTC)
    assert check_clock(place, now).state == OK
    stamp = (now + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    place.ledger.mkdir()
    release = {"name": "x", "published_at": stamp, "data_version": "0", "fingerprint": "0", "redactions": []}
    (place.ledger / "releases.json").write_text(json.dumps({"releases": [release], "aliases": {}}))
    assert check_clock(place, now).state == PROBLEM


def test_a_held_lock_is_a_warning_and_a_stale_one_is_not(place: Workspace) -> None:
    with writing(place.state, "ingest"):
        found = check_lock(place)
        assert (found.state, "`eccl ingest`" in found.found) == (WARNING, True)
    stale = {"what": "publish", "pid": 1, "host": "gone", "since": time.time() - 90}
    (place.state / "write.lock").write_text(json.dumps(stale))
    found = check_lock(place)
    assert (found.state, "ended without releasing it" in found.found) == (OK, True)


def test_the_tombstones_key_must_exist_fit_and_be_private(place: Workspace) -> None:
    assert check_key(place).state == OK
    Tombstones.add(place, [9_000_001], date(2026, 3, 1), "2026-03-01-1")
    key = place.root / KEY_NAME
    assert (check_key(place).state, "1 tombstones" in check_key(place).found) == (OK, True)
    key.chmod(0o644)
    assert (check_key(place).state, check_key(place).remedy) == (PROBLEM, f"`chmod 600 {KEY_NAME}`")
    secret = key.read_text().strip()
    key.write_text("0" * 64)
    key.chmod(0o600)
    assert check_key(place).state == PROBLEM
    key.unlink()
    found = check_key(place)
    assert (found.state, "found no key" in found.found) == (PROBLEM, True)
    assert secret not in found.found + found.remedy
    key.write_text(secret)
    key.chmod(0o600)
    run_git(place.root, "init", "--quiet")
    run_git(place.root, "add", KEY_NAME)
    assert "is in git" in check_key(place).found


def test_a_remote_is_listed_and_its_credentials_stay_hidden(tmp_path: Path) -> None:
    place = init_workspace(tmp_path / "study")
    assert check_remote(place).state == WARNING  # none yet
    config = place.root / ".dvc/config.local"
    config.write_text(f"[core]\n    remote = mine\n['remote \"mine\"']\n    url = {tmp_path / 'remote'}\n")
    assert (check_remote(place).state, "does not exist yet" in check_remote(place).found) == (WARNING, True)
    (tmp_path / "remote/files/md5").mkdir(parents=True)
    assert check_remote(place).state == OK
    with socket.socket() as unused:  # bound and not listening
        unused.bind(("127.0.0.1", 0))
        config.write_text(
            f"[core]\n    remote = bucket\n['remote \"bucket\"']\n    url = s3://somewhere/raw\n"
            f"    endpointurl = http://127.0.0.1:{unused.getsockname()[1]}\n"
            "    access_key_id = key-name\n    secret_access_key = very-secret\n"
        )
        found = check_remote(place, seconds=3)
    assert found.state == PROBLEM
    assert "s3://somewhere/raw" in found.found
    assert not any(word in found.found + found.remedy for word in ("very-secret", "key-name"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host:9000/bucket?token=abc", "https://host:9000/bucket"),
        ("s3://bucket/path", "s3://bucket/path"),
        ("../remote", "../remote"),
    ],
)
def test_credentials_are_cut_out_of_urls(url: str, shown: str) -> None:
    assert hide_credentials(url) == shown


class _NotFound(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_does_not_answer_is_a_problem() -> None:
    assert check_server(None).state == OK
    assert check_server("ftp://host/api").state == PROBLEM
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = check_server(f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}/api")
    assert (found.state, "secret" in found.found) == (PROBLEM, False)
    with HTTPServer(("127.0.0.1", 0), _NotFound) as server:  # another program listens there
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert "(404)" in check_server(f"http://127.0.0.1:{server.server_port}/api").found
        thread.join()
