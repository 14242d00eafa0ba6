"""The place of the raw files: a folder, or a bucket at any fsspec URL. Listed once, read one file at a time."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from eccl.data.files import FULL
from eccl.errors import SourceError, WorkspaceError


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file of a listing.

    `path` is relative to the place, `mtime_ns` None where the place has no modification times, `problem` the reason why the
    file cannot be read, or empty.
    """

    path: str
    size: int
    mtime_ns: int | None
    problem: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        # A pathlib object for each of a hundred thousand files would take longer than listing them.
        return os.path.splitext(self.path)[1].lower()  # noqa: PTH122


class RawFiles(Protocol):
    """A place with raw files; sent to worker processes by pickling."""

    @property
    def name(self) -> str:
        """Identity of the place, for caches."""

    def entries(self) -> list[Entry]:
        """All files, sorted by path, without names that begin with a dot."""

    def is_there(self) -> bool:
        """Whether the place can still be reached, for places whose loss raises no error."""

    def head(self, path: str, size: int) -> bytes:
        """The first bytes of a file."""

    def local(self, path: str) -> AbstractContextManager[Path]:
        """Provide the file, and a segmentation beside it, on this machine while the context lasts."""


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """A folder in any layout: flat, RAP's two-digit folders, paths with spaces."""

    folder: Path

    @property
    def name(self) -> str:
        return str(self.folder.resolve())

    def entries(self) -> list[Entry]:
        if not self.folder.is_dir():
            raise WorkspaceError(
                f"no raw folder at {self.folder}; give the folder that holds the XML, zip and table files"
            )
        try:
            found = sorted(_walk(str(self.folder), "", set()))
        except OSError as error:  # its message names a path, and a path may hold an id
            raise SourceError(
                f"a folder below {self.folder} cannot be listed ({type(error).__name__}); make it readable, or move it away; "
                "an ingest without it would count its files as vanished"
            ) from None
        if not found:
            raise WorkspaceError(
                f"nothing in {self.folder}; mount it, or give the folder that holds the XML, zip and table files; an ingest "
                "of an empty folder would empty every table"
            )
        return found

    def is_there(self) -> bool:
        try:
            with os.scandir(self.folder) as found:
                return any(found)  # a mount point without its mount is an empty folder
        except OSError:
            return False

    def head(self, path: str, size: int) -> bytes:
        with (self.folder / path).open("rb") as stream:
            return stream.read(size)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        yield self.folder / path


def _walk(folder: str, prefix: str, above: set[tuple[int, int]]) -> Iterator[Entry]:
    status = Path(folder).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a parent folder
        return
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):
                continue
            path = prefix + item.name
            if item.is_dir():
                yield from _walk(item.path, f"{path}/", above | {here})
            else:
                yield _entry(item, path)


def _entry(item: os.DirEntry[str], path: str) -> Entry:
    try:
        status = item.stat()
    except OSError as error:
        return Entry(path, 0, None, f"{type(error).__name__} while looking at the file")
    if not stat.S_ISREG(status.st_mode):
        return Entry(path, 0, None, "no regular file; expected one, not a pipe, a socket or a device")
    return Entry(path, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """Files behind an fsspec URL such as ``s3://bucket/raw``.

    fsspec and the library of the protocol read credentials and endpoint from the environment (``AWS_*``,
    ``FSSPEC_S3_ENDPOINT_URL``), so no parameter, plan or log holds them.
    """

    url: str

    @property
    def name(self) -> str:
        return self.url.rstrip("/")

    def entries(self) -> list[Entry]:
        try:
            with _reaching(self.url):
                system, root = _open(self.url)
                system.invalidate_cache()
                found: dict[str, dict[str, Any]] = system.find(root, detail=True)
        except WorkspaceError:
            raise
        except FileNotFoundError:
            found = {}
        if not found:
            raise WorkspaceError(
                f"nothing at {self.url}; give the place that holds the XML, zip and table files, and check its spelling"
            )
        entries = (
            Entry(name.removeprefix(root).lstrip("/"), int(info["size"]), _mtime_ns(info))
            for name, info in found.items()
        )
        return sorted(entry for entry in entries if not any(part.startswith(".") for part in entry.path.split("/")))

    def is_there(self) -> bool:
        return True  # its library raises if not

    def head(self, path: str, size: int) -> bytes:
        with _reaching(self.url):
            system, root = _open(self.url)
            return bytes(system.cat_file(f"{root}/{path}", start=0, end=size))

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="eccl-") as folder:
            target = Path(folder) / PurePosixPath(path).name
            with _reaching(self.url):
                system, root = _open(self.url)
                system.get_file(f"{root}/{path}", str(target))
                _fetch_segmentation(system, f"{root}/{path}", target)
            yield target


def _fetch_segmentation(system: Any, remote: str, target: Path) -> None:
    from eccl.image.segmentation import segmentation_paths

    if target.suffix.lower() != ".zip":
        return
    for there, here in zip(segmentation_paths(PurePosixPath(remote)), segmentation_paths(target), strict=True):
        if system.exists(str(there)):
            here.parent.mkdir(exist_ok=True)
            system.get_file(str(there), str(here))


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    system, root = fsspec.core.url_to_fs(url)
    return system, str(root).rstrip("/")


def _mtime_ns(info: dict[str, Any]) -> int | None:
    stamp = info.get("LastModified", info.get("mtime", info.get("created")))
    if isinstance(stamp, datetime):
        return int(stamp.timestamp() * 1_000_000) * 1_000
    return int(stamp * 1e9) if isinstance(stamp, int | float) else None


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    # Messages of these libraries may quote keys, which contain file names; the class of the error is enough.
    try:
        yield
    except ImportError as error:
        raise WorkspaceError(
            f"{url.partition('://')[0]}:// needs a package that is missing ({error}); install `eccl[s3]`, or the fsspec "
            "implementation of that protocol"
        ) from None
    except FileNotFoundError:
        raise FileNotFoundError("no such file at the remote place") from None
    except PermissionError:  # of one file or all: an expired credential raises the same error as a wrong one
        raise SourceError(
            f"{url} denied access; check the credentials (AWS_ACCESS_KEY_ID) and their permissions to list and read, then run "
            "the command again"
        ) from None
    except ValueError:
        raise WorkspaceError(
            f"{url} cannot be opened as a URL; give a folder, or a URL such as s3://bucket/raw"
        ) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:  # of this machine's temporary folder
            raise
        raise SourceError(
            f"{url} cannot be reached ({type(error).__name__}); check the network, the endpoint and the credentials, then "
            "run the command again"
        ) from None


def to_raw_files(origin: str | Path) -> RawFiles:
    """Convert a folder or a URL (with ``://``) to a place of raw files."""
    if isinstance(origin, str) and "://" in origin:
        return LocalFiles(Path(origin[7:])) if origin.startswith("file://") else BucketFiles(origin)
    return LocalFiles(Path(origin))
