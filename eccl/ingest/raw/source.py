"""Sources of records: raw files in a folder or a bucket, or any other object with these methods.

Plan, batch worker and commit use a source through these methods only, so one ingest serves all of them.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from eccl.config import LimitParams
from eccl.data.files import replace_file, sha256_file
from eccl.errors import EcclError, Reason, Rejected, SourceError
from eccl.ingest.raw.discover import Discovery, RawFile, discover
from eccl.ingest.raw.raw_files import RawFiles, to_raw_files
from eccl.ingest.reader.supervisor import read_in_process
from eccl.ingest.record import Record, RecordReader
from eccl.modalities import MODALITY_OF_KIND

UNREADABLE = None
"""Hash of a file that cannot be read or exceeds the size limit."""
# Errors of a disk or a mount, not of one file.
_PLACE_GONE = frozenset({errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV})


class Fetched(Protocol):
    """The origin of one record while it is read."""

    def fingerprint(self) -> str:
        """SHA-256 of the record's source, 64 hex digits: equal fingerprints give equal records."""

    def read(self, reader: RecordReader) -> Record:
        """Make the record, or raise :class:`eccl.errors.Rejected`."""


class Source(Protocol):
    """An origin of records; it crosses to worker processes by pickling."""

    @property
    def files(self) -> RawFiles:
        """Where the tabular exports and withdrawal lists are."""

    def discover(self) -> Discovery:
        """List the contents of the source without withdrawn participants."""

    def fetch(self, file: RawFile) -> AbstractContextManager[Fetched]:
        """Make one file available while the context lasts."""


@dataclass(frozen=True, slots=True)
class RawSource:
    """Raw files as UK Biobank delivers them; read in a separate process, see :mod:`eccl.ingest.reader.supervisor`."""

    files: RawFiles
    limits: LimitParams = field(default_factory=LimitParams)

    def discover(self) -> Discovery:
        """List the files by their names."""
        return discover(self.files)

    @contextmanager
    def fetch(self, file: RawFile) -> Iterator[RawBytes]:
        """Copy a file to this machine, if its size is within the limit of its modality."""
        parameter = MODALITY_OF_KIND[file.kind].size_limit
        limit = int(getattr(self.limits, parameter))
        if file.size > limit << 20:
            raise Rejected(
                Reason.FILE_TOO_LARGE, f"{file.size} bytes; expected at most {limit} MB (limits.{parameter})"
            )
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
                f"the raw files cannot be reached any more ({type(error).__name__}); mount them again, then run the same command; no "
                "file was quarantined because of it"
            ) from None


def _require_same(before: os.stat_result, after: os.stat_result) -> None:
    """Reject a file that was replaced after it was hashed."""
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
            The size differs from the listing: the file is still being copied, or truncated. The next run reads it.
        """
        if (now := self.path.stat().st_size) != self.size:
            raise Rejected(Reason.UNREADABLE, f"{now} bytes; expected {self.size}, as listed when this run began")
        return sha256_file(self.path)

    def read(self, reader: RecordReader) -> Record:
        """Read the file with its modality's reader, in a separate process."""
        if self.size == 0:
            raise Rejected(Reason.EMPTY_FILE, "0 bytes")
        return read_in_process(self.path, reader.read, self.limits)


def to_source(origin: str | Path | Source, limits: LimitParams = LimitParams()) -> Source:
    """Convert a folder or a URL (``s3://bucket/raw``) of raw files to a source."""
    return RawSource(to_raw_files(origin), limits) if isinstance(origin, str | Path) else origin


class KnownHashes:
    """Cache of raw files' hashes, so that a run without new files reads almost nothing.

    The key is path, size and modification time. Losing the cache costs a hash of every file, never a wrong result. A file
    without a modification time is not cached: its source computes the fingerprint each time.
    """

    def __init__(self, source: Source, cache: Path) -> None:
        self._source = source
        self._place = source.files.name
        self._cache = cache
        self._entries: dict[str, list[int | str]] = {}
        self._listed: set[str] = set()
        self.hashed = 0
        if cache.is_file():
            try:
                self._entries = json.loads(cache.read_text())
            except ValueError:  # a cache: start again
                self._entries = {}

    def sha256(self, file: RawFile) -> str | None:
        """SHA-256 of a raw file, from the cache if size and time are unchanged."""
        self._listed.add(self._key(file))
        entry = self._entries.get(self._key(file)) if file.mtime_ns is not None else None
        if entry and entry[:2] == [file.size, file.mtime_ns]:
            return str(entry[2])
        self.hashed += 1
        try:
            with self._source.fetch(file) as raw:
                digest = raw.fingerprint()
        except SourceError:
            raise
        except (OSError, Rejected):  # the batch that reads the file records the reason
            return UNREADABLE
        self.remember(file, digest)
        return digest

    def remember(self, file: RawFile, digest: str | None) -> None:
        """Cache a file's hash; a file that could not be read is not cached."""
        self._listed.add(self._key(file))
        if digest is not UNREADABLE and file.mtime_ns is not None:
            self._entries[self._key(file)] = [file.size, file.mtime_ns, digest]

    def save(self) -> None:
        """Write the entries that this run used; files that are not listed any more are dropped."""
        kept = {key: entry for key, entry in self._entries.items() if key in self._listed}
        replace_file(self._cache, json.dumps(kept, sort_keys=True).encode())

    def _key(self, file: RawFile) -> str:
        return f"{self._place}/{file.path}"
