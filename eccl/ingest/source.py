"""Where records come from: a folder of raw files, or anything else that can tell what it holds and read it.

The plan, the batch worker and its commit know a source by these few methods, so there is one ingest for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eccl.errors import Reason, Rejected
from eccl.ingest.discover import Discovery, RawFile, discover
from eccl.ingest.modality import Modality, Record
from eccl.store.files import sha256_file


class Source(Protocol):
    """An origin of records; it crosses to worker processes by pickling."""

    @property
    def folder(self) -> Path:
        """Folder of the tabular exports and withdrawal lists."""

    def discover(self) -> Discovery:
        """List what the source holds, withdrawn participants left out."""

    def fingerprint(self, file: RawFile) -> str:
        """SHA-256 of what the record is made from, 64 hex digits: equal fingerprints give equal records."""

    def read(self, file: RawFile, modality: Modality) -> Record:
        """Make one record, or raise :class:`eccl.errors.Rejected`."""


@dataclass(frozen=True, slots=True)
class RawFolder:
    """Raw files as UK Biobank ships them, in any layout."""

    folder: Path

    def discover(self) -> Discovery:
        """List the folder by file names."""
        return discover(self.folder)

    def fingerprint(self, file: RawFile) -> str:
        """SHA-256 of the file's bytes."""
        return sha256_file(self.folder / file.path)

    def read(self, file: RawFile, modality: Modality) -> Record:
        """Read the file with its modality's reader."""
        if file.size == 0:
            raise Rejected(Reason.EMPTY_FILE, "0 bytes")
        return modality.read(self.folder / file.path)


def to_source(origin: Path | Source) -> Source:
    """A path is a folder of raw files."""
    return RawFolder(origin) if isinstance(origin, Path) else origin
