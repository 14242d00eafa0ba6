"""Raw files in a bucket and data/ in an S3 remote, on a real S3 server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from eccl.errors import SourceError, WorkspaceError
from eccl.ingest.raw.raw_files import BucketFiles, to_raw_files
from eccl.ingest.run import run_ingest, session
from eccl.versioning.initialise import init_workspace
from eccl.versioning.versions import push_version
from eccl.workspace import Workspace
from tests.support.s3 import Bucket, serve_s3
from tests.support.workspaces import tree_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with serve_s3(tmp_path_factory.mktemp("s3") / "server", "study") as bucket:
        yield bucket


@pytest.fixture
def bucket(server: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The server, with the environment that its clients read."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return server


def test_a_bucket_gives_the_bytes_that_the_folder_gives(
    bucket: Bucket, raw_cohort: Path, ingested: Workspace, new_workspace: Callable[[], Workspace]
) -> None:
    bucket.files().put(f"{raw_cohort}/", "study/Short axis/", recursive=True)
    place, url = new_workspace(), "s3://study/Short axis"
    report = run_ingest(place, url, workers=2)
    assert tree_of(place.data) == tree_of(ingested.data)
    with session(place, url) as again:
        assert not again.batches
        assert again.hashes.hashed == 0  # size and time are enough: nothing is fetched
    name = next(file.path for file in again.found.files["ecg"])
    content = bucket.files().cat_file(f"{url.removeprefix('s3://')}/{name}")
    bucket.files().pipe_file(f"study/Short axis/{name}", content + b"\n")
    changed = run_ingest(place, url, workers=1)
    assert [kind.changed for kind in changed.kinds] == [1, 0]
    assert changed.data_version != report.data_version


def test_an_unreachable_bucket_quarantines_nothing(
    bucket: Bucket, new_workspace: Callable[[], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_workspace()
    with pytest.raises(WorkspaceError, match="nothing at s3://study/nowhere"):
        run_ingest(place, "s3://study/nowhere", workers=1)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    S3FileSystem.clear_instance_cache()  # this process had reached it before
    with pytest.raises((SourceError, PermissionError)) as refused:
        run_ingest(place, "s3://study/Short axis", workers=1)
    assert "another" not in str(refused.value)
    assert not (place.data / "tables" / "quarantine").exists()


def test_a_segmentation_comes_along(bucket: Bucket) -> None:
    files = bucket.files()
    for name in ("a.zip", "a.seg_sa.nii.gz", "b.zip", "b/seg_sa.nii.gz", "c.zip"):
        files.pipe_file(f"study/some/{name}", name.encode())
    place = to_raw_files("s3://study/some")
    assert isinstance(place, BucketFiles)
    assert place.head("a.zip", 3) == b"a.z"
    for name, beside in (("a.zip", "a.seg_sa.nii.gz"), ("b.zip", "b/seg_sa.nii.gz"), ("c.zip", None)):
        with place.local(name) as path:
            assert path.read_bytes() == name.encode()
            found = [other.relative_to(path.parent).as_posix() for other in path.parent.rglob("*.nii.gz")]
            assert found == ([beside] if beside else [])
        assert not path.exists()


def test_versions_travel_through_an_s3_remote(bucket: Bucket, ingested: Workspace, tmp_path: Path) -> None:
    study = init_workspace(tmp_path / "study")
    shutil.copytree(ingested.data, study.data)
    _run(study.root, "dvc", "add", "--quiet", "data")
    _run(study.root, "dvc", "remote", "add", "--default", "mine", "s3://study/remote")
    push_version(study)
    stored = bucket.bytes_stored("remote")
    assert stored >= sum(path.stat().st_size for path in study.data.rglob("*") if path.is_file()) * 0.9
    push_version(study)
    assert bucket.bytes_stored("remote") == stored
    _run(study.root, "git", "add", "--all")
    _run(study.root, "git", "commit", "--quiet", "-m", "data")
    _run(tmp_path, "git", "clone", "--quiet", str(study.root), "clone")
    _run(tmp_path / "clone", "dvc", "pull", "--quiet", "data.dvc")
    assert tree_of(tmp_path / "clone" / "data") == tree_of(ingested.data)


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
