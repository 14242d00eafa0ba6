"""Purge older versions: objects of DVC's cache and of the user's own remote with data of withdrawn participants.

A new version does not remove the bytes of older ones. A purge removes tables, parts and feature files with a row of a
participant who has a tombstone, and the shards that such a part committed, of every version in git's history or the cache.
Objects of the current workspace are kept. Folder listings (``.dir``) hold paths and hashes only, and are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from eccl.data.arrays import open_array
from eccl.data.lock import writing
from eccl.data.parts import table_files
from eccl.errors import VersionError
from eccl.ledger.certificates import Certificate, read_certificates
from eccl.ledger.tombstones import Tombstones, require_no_pending_withdrawal
from eccl.modalities import MODALITIES, SLOT_TABLES
from eccl.versioning.repository import run_git
from eccl.versioning.versions import DVC_FILE, default_remote, list_versions
from eccl.withdrawal.certificate import write_certificate
from eccl.withdrawal.rows import Select, count_withdrawn
from eccl.workspace import Workspace
from eccl.yaml_text import parse_yaml

_TABLE_OF_ARRAY = {name: one.table for one in MODALITIES for name in one.arrays}
_PART = re.compile(rf"tables/({'|'.join(SLOT_TABLES)})/part-([0-9]+)\.parquet")
_SHARD = re.compile(rf"({'|'.join(map(re.escape, _TABLE_OF_ARRAY))})/c/([0-9]+)/")


@dataclass(frozen=True, slots=True)
class Purge:
    """Objects that a purge removes.

    Parameters
    ----------
    objects
        Hashes of objects, shards first: the part that shows that a shard must be removed is removed after it.
    versions
        Data versions that can no longer be restored completely.
    left
        Places that could not be purged, and why.
    """

    objects: tuple[str, ...]
    versions: tuple[str, ...]
    left: tuple[str, ...] = ()


def is_versioned(workspace: Workspace) -> bool:
    """Whether DVC keeps versions of data/ here."""
    return (workspace.root / DVC_FILE).is_file() and (workspace.root / ".dvc").is_dir()


def plan_purge(workspace: Workspace) -> Purge:
    """Find the objects that a purge would remove without writing anything."""
    with _places(workspace) as (places, left):
        return _find(workspace, places, left)


def purge(workspace: Workspace) -> Certificate | None:
    """Remove the objects from cache and remote, check that they are removed, and note it in the latest certificate.

    Run it after the new version was recorded and pushed: objects of the workspace are kept in any case, but only a recorded
    version can be pulled.

    Returns
    -------
    Certificate or None
        The latest certificate; None if there was no withdrawal.

    Raises
    ------
    WithdrawalError
        A withdrawal was interrupted, or the tombstones cannot be read.
    VersionError
        The workspace has no recorded version.
    """
    if not is_versioned(workspace):
        raise VersionError(
            f"nothing to purge: the workspace has no {DVC_FILE}, so no older version of data/ is kept by DVC"
        )
    with writing(workspace.state, "withdraw --purge"):
        require_no_pending_withdrawal(workspace)
        certificates = read_certificates(workspace)
        if not certificates:
            return None
        with _places(workspace) as (places, left):
            found = _find(workspace, places, left)
            removed = {name: _remove(store, found.objects) for name, store in places.items()}
            remain = sum(store.exists(oid) for store in places.values() for oid in found.objects)
        content = certificates[-1].content
        before = content["purge"] or {"versions": [], "removed": {}}
        note = {
            "versions": sorted({*before["versions"], *found.versions}),
            "removed": {name: count + before["removed"].get(name, 0) for name, count in removed.items()},
            "left": [*found.left, *([f"{remain} objects could not be removed"] if remain else [])],
        }
        return write_certificate(workspace, {**content, "purge": note})


@contextmanager
def _places(workspace: Workspace) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Stores of objects by name, and places that cannot be purged."""
    from dvc.repo import Repo

    with Repo(str(workspace.root)) as repo:
        places: dict[str, Any] = {"cache": repo.cache.local}
        left: tuple[str, ...] = ()
        try:
            name = default_remote(workspace)
            if name is None:
                left = ("No remote is configured; copies of the cache elsewhere are not known here",)
            else:
                places[f"remote {name}"] = repo.cloud.get_remote_odb(name)
        except VersionError:
            left = (
                "The default remote is the sample that ships with the project; it is read-only and was not changed",
            )
        yield places, left


def _remove(store: Any, objects: tuple[str, ...]) -> int:
    there = [oid for oid in objects if store.exists(oid)]
    for oid in there:
        store.delete(oid)
    return len(there)


def _find(workspace: Workspace, places: Mapping[str, Any], left: tuple[str, ...]) -> Purge:
    reader = _Reader(places, Tombstones.load(workspace).select)
    deleted = _deleted_shards(workspace)
    shards: dict[str, None] = {}
    tables: dict[str, None] = {}
    touched: set[str] = set()
    cached = _own_cache(workspace, places["cache"])
    for folder in sorted({*_folders(workspace), *(oid for oid in cached if oid.endswith(".dir"))}):
        listing = reader.listing(folder)
        old_shards, old_tables = _judge(listing, reader, deleted)
        kept = _present(workspace, {*old_shards, *old_tables})
        for chosen, into in ((old_shards, shards), (old_tables, tables)):
            removed = {path: oid for path, oid in chosen.items() if oid not in kept}
            into |= dict.fromkeys(removed.values())
            touched |= {folder} if removed else set()
    for path, oid in _feature_objects(workspace):
        if oid != _md5(workspace.root / path) and reader.holds(oid):
            tables[oid] = None
    tables |= dict.fromkeys(oid for oid in cached if not oid.endswith(".dir") and reader.holds(oid))
    versions = {one.dvc_md5: one.data_version for one in list_versions(workspace) if one.dvc_md5}
    return Purge((*shards, *tables), tuple(sorted(versions[folder] for folder in touched & versions.keys())), left)


def _own_cache(workspace: Workspace, cache: Any) -> list[str]:
    """Every object of the cache, if it belongs to this workspace; a shared cache may hold data of other studies."""
    return sorted(cache.all()) if Path(cache.path).is_relative_to(workspace.root) else []


def _judge(
    listing: Mapping[str, str], reader: _Reader, deleted: Mapping[str, set[int]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Shards and tables of one version with data of withdrawn participants, as hashes by path."""
    parts = {
        (match[1], int(match[2])): reader.holds(oid)
        for path, oid in listing.items()
        if (match := _PART.fullmatch(path))
    }
    shards: dict[str, str] = {}
    tables: dict[str, str] = {}
    for path, oid in listing.items():
        if match := _SHARD.match(path):
            holds = parts.get((_TABLE_OF_ARRAY[match[1]], int(match[2])))
            # If the part cannot be read any more, the slots that withdrawals have emptied decide.
            if holds or (holds is None and int(match[2]) in deleted.get(match[1], set())):
                shards[path] = oid
        elif path.endswith(".parquet") and reader.holds(oid):
            tables[path] = oid
    return shards, tables


def _present(workspace: Workspace, paths: set[str]) -> set[str]:
    """Hashes of the workspace's own files at some paths of data/."""
    return {digest for path in paths if (digest := _md5(workspace.data / path))}


def _md5(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _deleted_shards(workspace: Workspace) -> dict[str, set[int]]:
    rows = [row for file in table_files(workspace.data, "deletions") for row in pq.read_table(file).to_pylist()]
    found: dict[str, set[int]] = {}
    for one in MODALITIES:
        emptied = [row["row"] for row in rows if row["modality"] == one.kind]
        for name in one.arrays if emptied else ():
            size = open_array(workspace.data, name).shard_rows
            found[name] = {row // size for row in emptied}
    return found


def _folders(workspace: Workspace) -> list[str]:
    """Hashes of data/ in git's history and in the workspace."""
    texts = [*_history(workspace, DVC_FILE), (workspace.root / DVC_FILE).read_text()]
    found = {parse_yaml(text)["outs"][0].get("md5") for text in texts if text}
    found |= {entry.get("md5") for entry in _lock_entries(workspace) if entry["path"] == "data"}
    return sorted(md5 for md5 in found if md5 and md5.endswith(".dir"))


def _feature_objects(workspace: Workspace) -> list[tuple[str, str]]:
    """(path, hash) of every feature file in git's history and in the workspace."""
    features = [entry for entry in _lock_entries(workspace) if entry["path"].startswith("features/") and "md5" in entry]
    return sorted({(entry["path"], entry["md5"]) for entry in features})


def _lock_entries(workspace: Workspace) -> list[dict[str, Any]]:
    """Dependencies and outputs of every stage in every version of dvc.lock."""
    path = workspace.root / "dvc.lock"
    texts = [*_history(workspace, "dvc.lock"), path.read_text() if path.is_file() else ""]
    stages = [stage for text in texts if text for stage in ((parse_yaml(text) or {}).get("stages") or {}).values()]
    return [entry for stage in stages for entry in (*(stage.get("deps") or []), *(stage.get("outs") or []))]


def _history(workspace: Workspace, name: str) -> list[str]:
    # Of every branch and tag.
    commits = run_git(workspace.root, "log", "--all", "--format=%H", "--", name, check=False).split()
    return [run_git(workspace.root, "show", f"{commit}:./{name}", check=False) for commit in commits]


class _Reader:
    """Reads objects from the first place that has them; each is judged once."""

    def __init__(self, places: Mapping[str, Any], select: Select) -> None:
        self._places, self._select = places, select
        self._known: dict[str, bool | None] = {}

    def listing(self, oid: str) -> dict[str, str]:
        """Hashes by path of a folder."""
        with self._open(oid) as stream:
            return {entry["relpath"]: entry["md5"] for entry in json.load(stream)} if stream else {}

    def holds(self, oid: str) -> bool | None:
        """Whether a Parquet object holds a row of a withdrawn participant; None if it cannot be read."""
        if oid not in self._known:
            self._known[oid] = self._judge(oid)
        return self._known[oid]

    def _judge(self, oid: str) -> bool | None:
        with self._open(oid) as stream:
            if stream is None or stream.read(4) != b"PAR1":
                return None
            stream.seek(0)
            return count_withdrawn(stream, self._select)["withdrawn"] > 0

    @contextmanager
    def _open(self, oid: str) -> Iterator[IO[bytes] | None]:
        place = next((place for place in self._places.values() if place.exists(oid)), None)
        if place is None:
            yield None
            return
        with place.fs.open(place.oid_to_path(oid), "rb") as stream:
            yield stream
