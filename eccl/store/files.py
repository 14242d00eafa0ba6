"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` and rename it onto `path` on success.

    The caller writes a file or makes a folder at the yielded path. On an error nothing is left behind; on a kill the
    previous version stays whole and the leftover is removed by :func:`sweep`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            _swap_folder(temporary, path)
        else:
            _flush(temporary)
            os.replace(temporary, path)
    finally:
        _remove(temporary)


def replace_file(path: Path, content: bytes) -> bool:
    """Write `content` to `path` by rename; return whether the file changed."""
    if path.is_file() and path.read_bytes() == content:
        return False
    with aside(path) as temporary:
        temporary.write_bytes(content)
    return True


def sweep(folder: Path) -> int:
    """Remove what killed writers left below `folder`; return how many leftovers there were."""
    leftovers = list(folder.rglob(f"{TEMPORARY_PREFIX}*"))
    for leftover in leftovers:
        _remove(leftover)
    return len(leftovers)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_bytes(content: bytes | memoryview) -> str:
    """SHA-256 of bytes as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _swap_folder(new: Path, path: Path) -> None:
    # Two renames: a folder cannot be replaced by one. A kill in between leaves the old one under a temporary name
    # beside the new one; both are whole.
    if path.exists():
        old = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-old-{path.name}")
        _remove(old)
        os.rename(path, old)
        os.rename(new, path)
        _remove(old)
    else:
        os.rename(new, path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
