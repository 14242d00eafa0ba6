"""Where records come from: raw files in a folder or a bucket, or anything else that can tell what it holds and read it.

The plan, the batch worker and its commit know a source by these few methods, so there is one ingest for all of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from eccl.config import LimitParams
from eccl.data.files import sha256_file
from eccl.errors import EcclError, Reason, Rejected, SourceError
from eccl.ingest.modality import Modality, Record
from eccl.ingest.raw.discover import Discovery, RawFile, discover
from eccl.ingest.raw.raw_files import RawFiles, to_raw_files
from eccl.ingest.reader.supervisor import guarded_read

# A disk or a mount that does not answer says nothing about the file.
_PLACE_GONE = frozenset({errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV})


class Fetched(Protocol):
    """One record's origin, at hand while it is read."""

    def fingerprint(self) -> str:
        """SHA-256 of what the record is made from, 64 hex digits: equal fingerprints give equal records."""

    def read(self, modality: Modality) -> Record:
        """Make the record, or raise :class:`eccl.errors.Rejected`."""


class Source(Protocol):
    """An origin of records; it crosses to worker processes by pickling."""

    @property
    def files(self) -> RawFiles:
        """The place of the tabular exports and withdrawal lists."""

    def discover(self) -> Discovery:
        """List what the source holds, withdrawn participants left out."""

    def fetch(self, file: RawFile) -> AbstractContextManager[Fetched]:
        """Bring one file within reach."""


@dataclass(frozen=True, slots=True)
class RawSource:
    """Raw files as UK Biobank ships them. They are not trusted: see :mod:`eccl.ingest.reader.supervisor`."""

    files: RawFiles
    limits: LimitParams = field(default_factory=LimitParams)

    def discover(self) -> Discovery:
        """List the place by file names."""
        return discover(self.files)

    @contextmanager
    def fetch(self, file: RawFile) -> Iterator[RawBytes]:
        """Bring a file to this machine, if it is not larger than one of its kind may be."""
        limit, parameter = self._limit(file)
        if file.size > limit << 20:
            raise Rejected(Reason.FILE_TOO_LARGE, f"{file.size} bytes; expected at most {limit} MB ({parameter})")
        try:
            with self.files.local(file.path) as path:
                raw = RawBytes(path, file.size, self.limits)
                before = path.stat()
                yield raw
                _require_same(before, path.stat())
        except OSError as error:
            if isinstance(error, EcclError) or (error.errno not in _PLACE_GONE and self.files.is_there()):
                raise
            raise SourceError(
                f"the place of the raw files went away ({type(error).__name__}); mount it again, then run the same command: nothing "
                "was refused for it"
            ) from None

    def _limit(self, file: RawFile) -> tuple[int, str]:
        if file.path.lower().endswith(".xml"):
            return self.limits.xml_mb, "limits.xml_mb"
        return self.limits.zip_mb, "limits.zip_mb"


def _require_same(before: os.stat_result, after: os.stat_result) -> None:
    """Refuse a file that was replaced between its hash and its content."""
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise Rejected(Reason.UNREADABLE, "the file was replaced while it was read; the next run reads it")


@dataclass(frozen=True, slots=True)
class RawBytes:
    """One raw file on this machine."""

    path: Path
    size: int
    limits: LimitParams

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes.

        Raises
        ------
        Rejected
            The file is not the one that was listed: still being copied, or cut off. The next run reads it.
        """
        if (now := self.path.stat().st_size) != self.size:
            raise Rejected(Reason.UNREADABLE, f"{now} bytes; expected {self.size}, as listed when this run began")
        return sha256_file(self.path)

    def read(self, modality: Modality) -> Record:
        """Read the file with its modality's reader, in a process of its own."""
        if self.size == 0:
            raise Rejected(Reason.EMPTY_FILE, "0 bytes")
        return guarded_read(self.path, modality, self.limits)


def to_source(origin: str | Path | Source, limits: LimitParams = LimitParams()) -> Source:
    """A path is a folder of raw files, a URL (``s3://bucket/raw``) a bucket of them."""
    return RawSource(to_raw_files(origin), limits) if isinstance(origin, str | Path) else origin
