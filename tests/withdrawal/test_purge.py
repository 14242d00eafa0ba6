"""Older versions: their objects that held withdrawn participants leave cache and remote, with the real git and DVC."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from eccl.data.files import replace_file
from eccl.data.parts import data_version
from eccl.errors import VersionError
from eccl.ingest.run import run_ingest
from eccl.ledger.certificates import read_certificates
from eccl.publishing.publish import publish
from eccl.versioning import versions
from eccl.versioning.initialise import init_workspace
from eccl.withdrawal.purge import plan_purge, purge
from eccl.withdrawal.run import withdraw
from eccl.workspace import Workspace
from tests.support.runs import finish_run
from tests.support.workspaces import tree_of
from tests.withdrawal.conftest import Study

pytestmark = pytest.mark.slow


def dvc(place: Workspace, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=place.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def git(place: Workspace, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=place.root, capture_output=True, text=True, check=True).stdout


def record(place: Workspace) -> str:
    verdict = {
        "status": "passed",
        "data_version": data_version(place.data),
        "critical_failures": 0,
        "results_sha256": "ab",
        "override": None,
    }
    replace_file(place.gate / "gate.json", json.dumps(verdict).encode())
    recorded = versions.record_version(place)
    versions.push_version(place)
    return recorded.data_version


def held(folder: Path, gone: frozenset[int]) -> int:
    """Parquet objects below a folder with a row of withdrawn participants; no code of the package is asked."""
    found = 0
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"PAR1" and "eid" in pq.read_schema(path).names:
            query = f"SELECT count(*) FROM read_parquet('{path}') WHERE eid IN ({', '.join(map(str, gone))})"
            found += duckdb.sql(query).fetchall()[0][0] > 0
    return found


@pytest.fixture
def versioned(complete: Study, tmp_path: Path) -> tuple[Study, Path]:
    """A DVC workspace with two pushed versions and a stage's features in the cache."""
    remote = tmp_path / "remote"
    place = init_workspace(tmp_path / "study", {"ecg_shard_rows": 4, "cine_shard_rows": 3})
    dvc(place, "remote", "add", "--default", "mine", str(remote))
    shutil.copytree(complete.place.data, place.data)
    record(place)
    finish_run(place, "pretrain_cmr-I50")
    some = place.features / "cmr_embedding/pretrain_cmr-I50.parquet"
    digest = md5(some)
    for base in (place.root / ".dvc/cache", remote):  # where a stage and a push put it
        (base / "files/md5" / digest[:2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(some, base / "files/md5" / digest[:2] / digest[2:])
    out = f"- path: features/cmr_embedding/{some.name}\n      md5: {digest}\n"
    lock = f"schema: '2.0'\nstages:\n  pretrain_cmr@I50:\n    cmd: x\n    outs:\n    {out}"
    (place.root / "dvc.lock").write_text(lock)
    git(place, "add", "dvc.lock")
    git(place, "commit", "-q", "-m", "Features")
    raw = tmp_path / "raw files"
    shutil.copytree(complete.raw, raw)
    donor = max(raw.rglob("*_20205_*.xml"), key=lambda path: path.stat().st_size)
    shutil.copy(donor, raw / "9000007_20205_2_0.xml")
    run_ingest(place, raw, workers=1)
    record(place)
    return Study(place, raw, complete.listed, complete.gone), remote


def test_purge_removes_old_objects_and_the_new_version_can_be_pulled(
    versioned: tuple[Study, Path], tmp_path: Path
) -> None:
    study, remote = versioned
    place = study.place
    old = [version.data_version for version in versions.list_versions(place)]
    cache = place.root / ".dvc/cache/files"
    assert len(old) == 2
    assert held(cache, study.gone) > 10
    assert held(remote, study.gone) > 10
    objects = {md5(place.data / name) for name in tree_of(place.data)}

    outcome = withdraw(place, study.listed, study.raw)
    assert outcome.is_clean
    before = tree_of(cache)
    planned = plan_purge(place)
    assert tree_of(cache) == before
    new = record(place)
    certificate = purge(place)

    assert certificate
    assert held(cache, study.gone) == 0
    assert held(remote, study.gone) == 0
    assert set(certificate.purged_versions) == set(old)
    note = certificate.content["purge"]
    assert note["removed"] == {"cache": len(planned.objects), "remote mine": len(planned.objects)}
    assert note["left"] == []
    assert certificate == read_certificates(place)[-1]
    # Untouched shards are still there, touched ones of the old versions are not.
    assert outcome.certificate
    shards = set(md5s(study, outcome.certificate.content["shards_rewritten"]).values())
    assert shards
    present = {path.parent.name + path.name for path in cache.rglob("*") if path.is_file()}
    assert not shards & present
    assert objects & present

    again = tmp_path / "clone"
    git(place, "clone", "-q", str(place.root), str(again))
    clone = Workspace(again)
    dvc(clone, "remote", "add", "--force", "--default", "mine", str(remote))
    dvc(clone, "pull", "--quiet", "data.dvc")
    assert data_version(clone.data) == new
    assert tree_of(clone.data) == tree_of(place.data)

    publish(place)
    with duckdb.connect(str(place.database), read_only=True) as con:
        rows = con.execute("SELECT data_version, deleted_on IS NOT NULL FROM data_versions").fetchall()
    assert dict(rows) == {**dict.fromkeys(old, True), new: False}

    once_more = purge(place)
    assert once_more
    assert once_more.content["purge"]["removed"] == note["removed"]


def md5s(study: Study, rewritten: dict[str, list[int]]) -> dict[str, str]:
    """Hashes of the touched shards in the first version, by its listing in the cache."""
    commits = git(study.place, "log", "--format=%H", "--", "data.dvc").split()
    oid = next(
        line.split()[-1]
        for line in git(study.place, "show", f"{commits[-1]}:data.dvc").splitlines()
        if "md5:" in line and ".dir" in line
    )
    listing = json.loads((study.place.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]).read_text())
    prefixes = tuple(f"{array}/c/{shard}/" for array, shards in rewritten.items() for shard in shards)
    return {entry["relpath"]: entry["md5"] for entry in listing if entry["relpath"].startswith(prefixes)}


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_without_a_recorded_version_there_is_nothing_to_purge(study: Study) -> None:
    with pytest.raises(VersionError, match=r"no data\.dvc"):
        purge(study.place)
