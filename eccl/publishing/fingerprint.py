"""Fingerprint of what a release is built from: relative names and contents, never absolute paths or times.

A moved or copied workspace, or a reinstalled package, has the same fingerprint. Hashes of feature files are kept in
``.eccl/feature_hashes.json`` and reused while size and times of a file are unchanged, because these files are large.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from eccl import __version__
from eccl.data.files import TEMPORARY_PREFIX, replace_file, sha256_file
from eccl.data.parts import data_version
from eccl.data.run_records import is_of_experiment
from eccl.publishing.build import REPORT_TABLES
from eccl.versioning.versions import DataVersion
from eccl.workspace import Workspace, shipped

SCHEMAS = ("tables", "views", "features", "labels.yaml")
"""What below schemas/ defines the published store."""


def fingerprint(workspace: Workspace, known: Sequence[DataVersion], *, is_cached: bool = True) -> str:
    """Hash what a store is built from.

    Parameters
    ----------
    known
        Data versions of the workspace.
    is_cached
        Whether to keep the hashes of feature files for the next call.
    """
    digest = hashlib.sha256(f"{__version__}\0{data_version(workspace.data)}\n".encode())
    for version in known:
        digest.update(json.dumps(version.to_row(), default=str, sort_keys=True).encode())
    hashes = dict(_hash_features(workspace, is_cached))
    hashes |= {path.relative_to(workspace.root).as_posix(): sha256_file(path) for path in _records(workspace)}
    hashes |= {f"package/{name}": sha256_file(path) for name, path in _sources()}
    for name, value in sorted(hashes.items()):
        digest.update(f"{name}\0{value}\n".encode())
    return digest.hexdigest()


def _records(workspace: Workspace) -> Iterator[Path]:
    """Files of a workspace, other than data and features, whose contents are published."""
    yield from workspace.models.glob("*/run.json")
    yield from (workspace.ledger / "withdrawals").glob("[!.]*.json")
    reports = [workspace.gate / "results.parquet", *(workspace.reports / name for name in REPORT_TABLES.values())]
    yield from (path for path in reports if path.is_file())


def _sources() -> Iterator[tuple[str, Path]]:
    """Files of the package that decide how a store is built, with their names."""
    schemas = shipped("schemas")
    for name in SCHEMAS:
        paths = sorted((schemas / name).glob("*")) if (schemas / name).is_dir() else [schemas / name]
        yield from ((f"schemas/{path.relative_to(schemas).as_posix()}", path) for path in paths)
    yield from ((path.name, path) for path in Path(__file__).parent.glob("build*.py"))


def _hash_features(workspace: Workspace, is_cached: bool) -> dict[str, str]:
    """Hash the feature files of the workspace's own runs, by name below features/."""
    cache = workspace.state / "feature_hashes.json"
    known = _read_cache(cache)
    found: dict[str, list[int | str]] = {}
    for path in sorted(workspace.features.rglob("*")):
        name = path.relative_to(workspace.features).as_posix()
        if not path.is_file() or TEMPORARY_PREFIX in name or is_of_experiment(path.stem):
            continue
        status = path.stat()
        # The change time is set by the system: a file whose modification time was put back is hashed again.
        mark: list[int | str] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        entry = known.get(name, [])
        found[name] = entry if entry[:3] == mark else [*mark, sha256_file(path)]
    if is_cached and found != known:
        replace_file(cache, json.dumps(found, indent=0).encode())
    return {f"features/{name}": str(entry[3]) for name, entry in found.items()}


def _read_cache(path: Path) -> dict[str, list[int | str]]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
