"""Workspaces with small shards, copies of them, and digests of their files."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from eccl.workspace import Workspace, shipped

Tree = dict[str, str]


def make_workspace(folder: Path, *, ecg_shard_rows: int = 4, cine_shard_rows: int = 3) -> Workspace:
    """Make a bare workspace (no git, no DVC) with the shipped parameters and shards of a few rows."""
    folder.mkdir(parents=True, exist_ok=True)
    text = shipped("params.yaml").read_text()
    for old, new in (
        ("ecg_shard_rows: 1024", f"ecg_shard_rows: {ecg_shard_rows}"),
        ("cine_shard_rows: 64", f"cine_shard_rows: {cine_shard_rows}"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text)
    return Workspace(folder)


def copy_data(source: Workspace, folder: Path) -> Workspace:
    """Make a workspace with the parameters and data of another one, without its runs."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source.params_file, folder / "params.yaml")
    shutil.copytree(source.data, folder / "data")
    return Workspace(folder)


def copy_all(source: Workspace, folder: Path) -> Workspace:
    """Copy a whole workspace; modification times are kept, because caches and a store's fingerprint contain them."""
    return Workspace(Path(shutil.copytree(source.root, folder, dirs_exist_ok=True)))


def tree_of(folder: Path) -> Tree:
    """SHA-256 of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
