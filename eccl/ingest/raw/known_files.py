"""Cache of raw files' hashes, so that a run without new files reads almost nothing.

The key is path, size and modification time. Losing the cache costs a hash of every file, never a wrong result. A file without
a modification time is not cached: its source computes the fingerprint each time.
"""

from __future__ import annotations

import json
from pathlib import Path

from eccl.data.files import replace_file
from eccl.errors import Rejected, SourceError
from eccl.ingest.raw.discover import RawFile
from eccl.ingest.raw.source import Source

UNREADABLE = None
"""Hash of a file that cannot be read or exceeds the size limit."""


class KnownHashes:
    """Hashes of raw files, cached by path, size and modification time."""

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
