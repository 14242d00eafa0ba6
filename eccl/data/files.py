"""Atomic writes: a file or folder exists completely or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eccl.errors import DiskFullError

TEMPORARY_PREFIX = ".tmp-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk, an exceeded quota, and a file above the size limit."""


def temporary_prefix() -> str:
    """Return a unique prefix of a temporary name; process ids would not do, because threads and machines share them."""
    return f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:12]}"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` and rename it onto `path` on success.

    The caller writes a file or creates a folder at the yielded path. After an error nothing remains; after a kill the
    previous version is intact, and :func:`sweep` removes the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{temporary_prefix()}-{path.name}")
    try:
        yield temporary
        if temporary.is_dir():
            _swap_folder(temporary, path)
        else:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
    finally:
        _remove(temporary)


@contextmanager
def disk_full_error(folder: Path) -> Iterator[None]:
    """Convert the errors of libraries for a full disk into one error with a remedy.

    Raises
    ------
    DiskFullError
        The disk or a quota is full, or a file grew beyond a limit of the system.
    """
    try:
        yield
    except Exception as error:
        # DuckDB and pyarrow pass on the message of the system, not always its error number.
        number, text = getattr(error, "errno", None), str(error)
        words = next((os.strerror(code) for code in FULL if code == number or os.strerror(code) in text), None)
        if words is None or isinstance(error, DiskFullError):
            raise
        raise DiskFullError(
            f"no room to write in {folder} ({words}; {shutil.disk_usage(folder).free >> 20} MB are free there); what was written "
            "before is complete; make room, or raise the quota or the limit on file sizes, then run the same command again"
        ) from error


def replace_file(path: Path, content: bytes) -> bool:
    """Write `content` to `path` by rename; return whether the file changed."""
    if path.is_file() and path.read_bytes() == content:
        return False
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return True


def sweep(folder: Path) -> int:
    """Remove the temporary files of killed writers below `folder`; return their number."""
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


def _swap_folder(new: Path, path: Path) -> None:
    # Two renames: a folder cannot be replaced by one. A kill in between leaves the old one under a temporary name
    # beside the new one; both are complete.
    old = path.with_name(f"{temporary_prefix()}-old-{path.name}")
    if path.exists():
        os.rename(path, old)
    os.rename(new, path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
