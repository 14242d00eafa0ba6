"""Which raw bytes were behind a path last time, so that a run with nothing new reads almost nothing.

This is a cache beside the data, keyed by path, size and time. Losing it costs a re-hash, never a wrong answer. What has
no time is not remembered: its source tells the fingerprint anew.
"""

from __future__ import annotations

import json
from pathlib import Path

from eccl.data.files import replace_file
from eccl.errors import Rejected, SourceError
from eccl.ingest.raw.discover import RawFile
from eccl.ingest.raw.source import Source

UNREADABLE = None
"""Hash of a file that cannot be read, or is too large to be."""


class SeenFiles:
    """Hashes of raw files, remembered by path, size and modification time."""

    def __init__(self, source: Source, cache: Path) -> None:
        self._source = source
        self._place = source.files.name
        self._cache = cache
        self._entries: dict[str, list[int | str]] = {}
        self._asked: set[str] = set()
        self.hashed = 0
        if cache.is_file():
            try:
                self._entries = json.loads(cache.read_text())
            except ValueError:  # a cache: start again
                self._entries = {}

    def sha256(self, file: RawFile) -> str | None:
        """SHA-256 of a raw file, from memory where size and time are unchanged."""
        self._asked.add(self._key(file))
        entry = self._entries.get(self._key(file)) if file.mtime_ns is not None else None
        if entry and entry[:2] == [file.size, file.mtime_ns]:
            return str(entry[2])
        self.hashed += 1
        try:
            with self._source.fetch(file) as raw:
                digest = raw.fingerprint()
        except SourceError:
            raise
        except (OSError, Rejected):  # whoever reads the file will say so
            return UNREADABLE
        self.remember(file, digest)
        return digest

    def remember(self, file: RawFile, digest: str | None) -> None:
        """Note what a file's hash is; that it could not be read is forgotten, for it may be mended."""
        self._asked.add(self._key(file))
        if digest is not UNREADABLE and file.mtime_ns is not None:
            self._entries[self._key(file)] = [file.size, file.mtime_ns, digest]

    def save(self) -> None:
        """Write the cache: what was asked for or read in this run. What is not listed any more is forgotten."""
        kept = {key: entry for key, entry in self._entries.items() if key in self._asked}
        replace_file(self._cache, json.dumps(kept, sort_keys=True).encode())

    def _key(self, file: RawFile) -> str:
        return f"{self._place}/{file.path}"
