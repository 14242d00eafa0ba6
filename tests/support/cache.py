"""Test data that takes long to build: built once per state of the code, shared by all workers and by later runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from tests.support.paths import ROOT

SOURCES = ("eccl", "flows", "schemas", "tests/support", "params.yaml", "dvc.yaml", "experiments/arms.yaml")
PACKAGES = ("numpy", "torch", "zarr", "duckdb", "pyarrow", "polars", "pydicom")
MANIFEST = "manifest.json"
KEPT = 2  # states of the code


def code_hash() -> str:
    """Digest of everything that the built data depend on."""
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        digest.update(f"{package} {version(package)}\n".encode())
    for source in SOURCES:
        place = ROOT / source
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        for file in files:
            if file.suffix != ".pyc":
                digest.update(file.relative_to(ROOT).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def prepare_cache() -> None:
    """Choose the cache folder of this session; worker processes inherit it. Older states of the code are removed."""
    if "ECCL_TEST_CACHE" in os.environ:
        return
    parent = ROOT / ".pytest_cache" / "eccl"
    folder = parent / code_hash()
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    for old in sorted(parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    os.environ["ECCL_TEST_CACHE"] = str(folder)


def shared_folder(name: str, build: Callable[[Path], None]) -> Path:
    """Folder `name` of the cache; the first process that needs it builds it, the others wait.

    Parameters
    ----------
    build
        Fills an empty folder at its final place, so that absolute paths in it stay valid.
    """
    folder = Path(os.environ["ECCL_TEST_CACHE"]) / name
    with FileLock(folder.with_name(f"{name}.lock")):
        if changed_files(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            build(folder)
            _manifest(folder).write_text(json.dumps(dict(_stamps(folder))))
    return folder


def changed_files(folder: Path) -> list[str]:
    """Files of a shared folder that were added, changed or removed since it was built; all of them if it is incomplete."""
    try:
        before = json.loads(_manifest(folder).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return ["everything"]
    now = dict(_stamps(folder))
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _manifest(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.{MANIFEST}")


def _stamps(folder: Path) -> Iterator[tuple[str, list[int]]]:
    for path in folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            yield path.relative_to(folder).as_posix(), [status.st_size, status.st_mtime_ns]
