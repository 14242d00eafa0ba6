"""Raw files: delete bulk files, and remove rows of tabular exports by line; every other byte is kept."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eccl.data.files import atomic_path
from eccl.errors import Rejected, WorkspaceError
from eccl.readers.names import is_withdrawal_list, parse_bulk_name
from eccl.readers.tables.headers import find_id_column, split_header
from eccl.withdrawal.rows import Select, ids_in

TABLE_SUFFIXES = {".csv", ".tab", ".tsv", ".txt"}
_LONGEST = 1000  # lines of one record; more mean a quote that was never closed


@dataclass(frozen=True, slots=True)
class RawTraces:
    """Files of some participants in a raw folder, and tabular exports with the number of their rows."""

    files: tuple[Path, ...]
    tables: dict[Path, int]


def find_raw(raw: Path, select: Select) -> RawTraces:
    """Find the participants' raw files by name, in any layout, and their rows in tabular exports.

    Raises
    ------
    WorkspaceError
        The folder does not exist.
    """
    if not raw.is_dir():
        raise WorkspaceError(f"no raw folder at {raw}; give the folder that was ingested, or omit --raw")
    files: list[Path] = []
    tables: dict[Path, int] = {}
    for path in raw_files(raw):
        if select(ids_in(path.relative_to(raw).as_posix().encode())):
            files.append(path)
        elif path.suffix.lower() in TABLE_SUFFIXES and not is_withdrawal_list(path.name):
            rows = sum(is_withdrawn for _, is_withdrawn in _records(path, select))
            if rows:
                tables[path] = rows
    return RawTraces(tuple(files), tables)


def empty_raw(raw: Path, select: Select) -> None:
    """Delete the participants' files and remove their rows from tabular exports."""
    found = find_raw(raw, select)
    for path in found.tables:
        # Follow links: the export itself must change.
        target = path.resolve()
        mode = target.stat().st_mode & 0o777
        with atomic_path(target) as temporary:
            with temporary.open("wb") as out:
                out.writelines(record for record, is_withdrawn in _records(path, select) if not is_withdrawn)
            temporary.chmod(mode)
    for path in found.files:
        if path.is_symlink():
            path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    _remove_folders(raw, select)


def raw_files(raw: Path) -> Iterator[Path]:
    """Every file of a raw folder, including hidden ones, sorted."""
    for folder, folders, names in os.walk(raw, followlinks=True):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names))


def is_bulk_file(path: Path) -> bool:
    """Whether a file is a bulk file of one visit by its name."""
    try:
        parse_bulk_name(path.name)
    except Rejected:
        return False
    return True


def _remove_folders(raw: Path, select: Select) -> None:
    for folder, _, _ in os.walk(raw, topdown=False):
        path = Path(folder)
        if path != raw and select(ids_in(path.relative_to(raw).as_posix().encode())) and not any(path.iterdir()):
            path.rmdir()


def _records(path: Path, select: Select) -> Iterator[tuple[bytes, bool]]:
    """Yield the records of a tabular export as bytes, each with whether it belongs to a withdrawn participant.

    A file without an id column yields no record.
    """
    if not path.is_file():  # a dangling link
        return
    with path.open("rb") as stream:
        header = stream.readline()
        names, delimiter = split_header(header.decode("latin-1").strip("\r\n").removeprefix("\xef\xbb\xbf"))
        position = find_id_column(names)
        if position is None:
            return
        yield header, False
        for record in _join_lines(stream):
            yield record, bool(select(_eid_of(record, delimiter, position)))


def _join_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    # A quoted cell may hold line ends: the record ends where its quotes are closed.
    pending: list[bytes] = []
    quotes = 0
    for line in lines:
        pending.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(pending)
            pending, quotes = [], 0
        elif len(pending) > _LONGEST:
            yield from pending
            pending, quotes = [], 0
    yield from pending


def _eid_of(record: bytes, delimiter: str, position: int) -> set[int]:
    try:
        cells = next(csv.reader([record.decode("latin-1")], delimiter=delimiter), [])
    except csv.Error:
        cells = record.decode("latin-1").split(delimiter)
    cell = cells[position].strip().strip('"').removesuffix(".0") if len(cells) > position else ""
    return {int(cell)} if cell.isascii() and cell.isdigit() else set()
