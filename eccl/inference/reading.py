"""ECG files that are in no store, read as an ingest reads them: same checks, same guarded process, same preprocessing."""

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

NOBODY = Tombstones()
WITHDRAWN = "withdrawn"
"""Reason of a refusal that no ingest gives: it leaves such files out without a word."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file as the networks see it.

    Parameters
    ----------
    file
        Path below the folder it was looked for in.
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
class Refusal:
    """One file that cannot or must not be read, and what to do about it.

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
    """Reads ECG files of one folder; it takes no more of params.yaml than an ingest does.

    Parameters
    ----------
    folder
        Where the files lie, in any layout.
    tombstones
        Who withdrew; a file whose name or folder holds such an id is refused unread.
    """

    def __init__(self, folder: Path, params: Params, tombstones: Tombstones = NOBODY) -> None:
        self._tombstones = tombstones
        self._files = LocalFiles(folder)
        self._source = RawSource(self._files, params.limits)
        self._reader: RecordReader = record_reader(ECG, params)

    def entries(self) -> tuple[list[Entry], int]:
        """Entries that end in .xml, by path, and how many others there are; hidden files are left out.

        Raises
        ------
        WorkspaceError
            There is no such folder, or no .xml in it.
        """
        if not self._files.folder.is_dir() or not any(self._files.folder.iterdir()):
            raise WorkspaceError("no folder with files at this path; give the folder that holds the ECG files (*.xml)")
        found = self._files.entries()
        wanted = [entry for entry in found if entry.suffix in ECG.suffixes]
        if not wanted:
            raise WorkspaceError(
                f"none of the {len(found)} files in this folder ends in .xml; give the folder of the ECG files"
            )
        return wanted, len(found) - len(wanted)

    def find(self, name: str) -> Entry:
        """One file of the folder.

        Raises
        ------
        WorkspaceError
            It is not there, or is no regular file.
        """
        path = self._files.folder / name
        if not path.is_file():
            raise WorkspaceError("no file at this path; give the path of an ECG in CardioSoft XML, or of a folder")
        status = path.stat()
        return Entry(name, status.st_size, status.st_mtime_ns)

    def read(self, entry: Entry) -> Recording | Refusal:
        """Read one file.

        Raises
        ------
        SourceError, WorkerError
            The folder went away, or no process to read with can be started: that says nothing about the file.
        """
        # Whose file it is does not matter here: nothing is stored under a participant.
        file = RawFile(0, 0, ECG.kind, entry.path, entry.size, entry.mtime_ns)
        if self._tombstones.select(numbers_in(entry.path)):
            return Refusal(entry.path, WITHDRAWN, "the file's name holds the id of a participant who withdrew")
        try:
            if entry.problem:
                raise Rejected(Reason.UNREADABLE, entry.problem)
            with self._source.fetch(file) as raw:
                sha256 = raw.fingerprint()
                record = raw.read(self._reader)
            return Recording(entry.path, sha256, record.arrays[ECG.model_array], record.columns)
        except Rejected as error:
            return Refusal(entry.path, error.reason, error.detail)
        except (SourceError, WorkerError):
            raise
        except OSError as error:
            return Refusal(entry.path, Reason.UNREADABLE, f"{type(error).__name__} while reading the file")

    def read_all(
        self, entries: Iterable[Entry], workers: int, block: int
    ) -> Iterator[tuple[list[Recording], list[Refusal]]]:
        """Read files in order, `block` at a time; each of `workers` threads has a reader process of its own."""
        waiting = list(entries)
        with ThreadPoolExecutor(workers) as threads:
            for start in range(0, len(waiting), block):
                read = list(threads.map(self.read, waiting[start : start + block]))
                yield (
                    [one for one in read if isinstance(one, Recording)],
                    [one for one in read if isinstance(one, Refusal)],
                )
