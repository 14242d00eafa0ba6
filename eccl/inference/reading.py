"""Reading of ECG files outside the store, as an ingest reads them: same checks, separate process, same preprocessing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.config import Params
from eccl.errors import Reason, Rejected, SourceError, WorkerError, WorkspaceError
from eccl.ingest.raw.discover import RawFile, numbers_in
from eccl.ingest.raw.raw_files import Entry, LocalFiles
from eccl.ingest.raw.source import RawSource
from eccl.ingest.record import RecordReader, record_reader
from eccl.ledger.tombstones import Tombstones
from eccl.modalities import ECG
from eccl.remedies import remedy

NO_TOMBSTONES = Tombstones()
WITHDRAWN = "withdrawn"
"""Reason that no ingest gives: it skips the files of withdrawn participants."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file as the input of the networks.

    Parameters
    ----------
    file
        Path below the folder.
    clean
        (12, 5000) int16, µV at 500 Hz without baseline, leads I II III aVR aVL aVF V1-V6.
    columns
        Its columns of table ``recordings``: measurements and quality.
    """

    file: str
    file_sha256: str
    clean: NDArray[np.int16]
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One file that cannot or must not be read, with reason and remedy.

    Parameters
    ----------
    reason
        One of the ingest's, or :data:`WITHDRAWN`.
    """

    file: str
    reason: Reason | str
    detail: str

    @property
    def remedy(self) -> str:
        return remedy(self.reason) if isinstance(self.reason, Reason) else "Delete the file, and every copy of it."


class Reader:
    """Reader of the ECG files of one folder, with the limits of params.yaml that an ingest applies.

    Parameters
    ----------
    folder
        Folder of the files, in any layout.
    tombstones
        Withdrawn participants; a file whose name or folder contains such an id is not read.
    """

    def __init__(self, folder: Path, params: Params, tombstones: Tombstones = NO_TOMBSTONES) -> None:
        self._tombstones = tombstones
        self._files = LocalFiles(folder)
        self._source = RawSource(self._files, params.limits)
        self._reader: RecordReader = record_reader(ECG, params)

    def entries(self) -> tuple[list[Entry], int]:
        """List entries that end in .xml, by path, and count the others; hidden files are skipped.

        Raises
        ------
        WorkspaceError
            The folder does not exist, or contains no .xml.
        """
        if not self._files.folder.is_dir() or not any(self._files.folder.iterdir()):
            raise WorkspaceError(
                "no folder with files at this path; give the folder that contains the ECG files (*.xml)"
            )
        found = self._files.entries()
        wanted = [entry for entry in found if entry.suffix in ECG.suffixes]
        if not wanted:
            raise WorkspaceError(
                f"none of the {len(found)} files in this folder ends in .xml; give the folder of the ECG files"
            )
        return wanted, len(found) - len(wanted)

    def find(self, name: str) -> Entry:
        """Return the entry of one file of the folder.

        Raises
        ------
        WorkspaceError
            It does not exist, or is no regular file.
        """
        path = self._files.folder / name
        if not path.is_file():
            raise WorkspaceError("no file at this path; give the path of an ECG in CardioSoft XML, or of a folder")
        status = path.stat()
        return Entry(name, status.st_size, status.st_mtime_ns)

    def read(self, entry: Entry) -> Recording | Quarantined:
        """Read one file.

        Raises
        ------
        SourceError, WorkerError
            The folder is no longer available, or no reader process can be started; the file itself may be valid.
        """
        # No participant is needed: nothing is stored.
        file = RawFile(0, 0, ECG.kind, entry.path, entry.size, entry.mtime_ns)
        if self._tombstones.select(numbers_in(entry.path)):
            return Quarantined(entry.path, WITHDRAWN, "the file's name contains the id of a withdrawn participant")
        try:
            if entry.problem:
                raise Rejected(Reason.UNREADABLE, entry.problem)
            with self._source.fetch(file) as raw:
                sha256 = raw.fingerprint()
                record = raw.read(self._reader)
            return Recording(entry.path, sha256, record.arrays[ECG.model_array], record.columns)
        except Rejected as error:
            return Quarantined(entry.path, error.reason, error.detail)
        except (SourceError, WorkerError):
            raise
        except OSError as error:
            return Quarantined(entry.path, Reason.UNREADABLE, f"{type(error).__name__} while reading the file")

    def read_all(
        self, entries: Iterable[Entry], workers: int, block: int
    ) -> Iterator[tuple[list[Recording], list[Quarantined]]]:
        """Read files in order, `block` at a time; each of `workers` threads has a reader process of its own."""
        waiting = list(entries)
        with ThreadPoolExecutor(workers) as threads:
            for start in range(0, len(waiting), block):
                read = list(threads.map(self.read, waiting[start : start + block]))
                yield (
                    [one for one in read if isinstance(one, Recording)],
                    [one for one in read if isinstance(one, Quarantined)],
                )
