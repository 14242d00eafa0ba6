"""What lies in a raw folder, told by file names alone: flat, RAP's two-digit folders, paths with spaces."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from eccl.errors import Reason, Rejected, WorkspaceError
from eccl.ukb.names import is_withdrawal_list, parse_bulk_name
from eccl.ukb.withdrawals import read_withdrawals

ECG_FIELD, CINE_FIELD = 20205, 20209
KIND_OF_FIELD = {ECG_FIELD: "ecg", CINE_FIELD: "cine"}
KIND_OF_SUFFIX = {".xml": "ecg", ".zip": "cine", ".dcm": "cine"}
TABLE_SUFFIXES = {".csv", ".tab", ".tsv"}
EID_DIGITS = 7
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, order=True)
class RawFile:
    """One bulk file of one visit.

    `path` is relative to the raw folder, `mtime_ns` None where no time tells a file from its successor.
    """

    eid: int
    instance: int
    path: str
    size: int
    mtime_ns: int | None


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A file of a known kind that gets no slot: its name does not tell participant and visit, or it cannot be opened."""

    kind: str
    path: str
    size: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything an ingest has to account for.

    Parameters
    ----------
    files
        Bulk files by kind (``ecg``, ``cine``), one per visit, sorted by visit.
    duplicates, withdrawn
        Bulk files left out, by kind: further copies of a visit's file, and files of withdrawn participants; a file that
        cannot be placed is theirs if its path holds their id.
    unplaced
        Files of a bulk kind that get no slot.
    tables
        Candidate tabular exports, relative paths.
    withdrawals
        Participants that withdrew, over all lists found.
    """

    files: dict[str, tuple[RawFile, ...]]
    duplicates: dict[str, int]
    withdrawn: dict[str, int]
    unplaced: tuple[Unplaced, ...]
    tables: tuple[str, ...]
    withdrawals: frozenset[int]


def discover(raw: Path) -> Discovery:
    """List a raw folder.

    Raises
    ------
    WorkspaceError
        The folder does not exist, or a withdrawal list cannot be read: going on would ingest who has left.
    """
    if not raw.is_dir():
        raise WorkspaceError(f"no raw folder at {raw}; give the folder that holds the XML, zip and table files")
    paths = sorted(_walk(raw))
    _refuse_misnamed_lists(raw, paths)
    withdrawals = _withdrawals(raw, [path for path in paths if is_withdrawal_list(path.name)])
    found: dict[str, dict[tuple[int, int], RawFile]] = {"ecg": {}, "cine": {}}
    duplicates = {"ecg": 0, "cine": 0}
    withdrawn = {"ecg": 0, "cine": 0}
    unplaced: list[Unplaced] = []
    for path in paths:
        suffix = path.suffix.lower()
        if suffix not in KIND_OF_SUFFIX:
            continue
        outcome = _bulk_file(raw, path, KIND_OF_SUFFIX[suffix])
        if isinstance(outcome, Unplaced):
            unplaced.append(outcome)
            continue
        kind, file = outcome
        if file.eid in withdrawals:
            withdrawn[kind] += 1
        elif (file.eid, file.instance) in found[kind]:
            duplicates[kind] += 1
        else:
            found[kind][(file.eid, file.instance)] = file
    tables = [p.relative_to(raw).as_posix() for p in paths if p.suffix.lower() in TABLE_SUFFIXES]
    tables = [table for table in tables if not is_withdrawal_list(Path(table).name)]
    listed = Discovery(
        files={kind: tuple(sorted(files.values())) for kind, files in found.items()},
        duplicates=duplicates,
        withdrawn=withdrawn,
        unplaced=tuple(unplaced),
        tables=tuple(tables),
        withdrawals=withdrawals,
    )
    return leave_out(listed, withdrawals.intersection)


def leave_out(found: Discovery, select: Callable[[Iterable[int]], Iterable[int]]) -> Discovery:
    """Leave out the bulk files of withdrawn participants and count them as such.

    Parameters
    ----------
    select
        Tells which of some participants have withdrawn.
    """
    named = {file.path: numbers_in(file.path) for file in found.unplaced}
    seen = {file.eid for files in found.files.values() for file in files}.union(*named.values())
    gone = set(select(seen))
    if not gone:
        return found
    stays = {kind: tuple(file for file in files if file.eid not in gone) for kind, files in found.files.items()}
    theirs = [file for file in found.unplaced if named[file.path] & gone]
    withdrawn = Counter(found.withdrawn)
    withdrawn.update({kind: len(found.files[kind]) - len(files) for kind, files in stays.items()})
    withdrawn.update(file.kind for file in theirs)
    return replace(
        found,
        files=stays,
        withdrawn=dict(withdrawn),
        unplaced=tuple(file for file in found.unplaced if file not in theirs),
        withdrawals=found.withdrawals | gone,
    )


def numbers_in(path: str) -> set[int]:
    """Whole numbers in a path that could be a participant's id."""
    return {int(digits) for digits in _NUMBER.findall(path) if len(digits) <= 10}


def _walk(raw: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(raw, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in names if not name.startswith(".")]
    return found


def _bulk_file(raw: Path, path: Path, kind: str) -> Unplaced | tuple[str, RawFile]:
    relative = path.relative_to(raw).as_posix()
    size = 0
    try:
        status = path.stat()
        size = status.st_size
        name = parse_bulk_name(path.name)
        if KIND_OF_FIELD.get(name.field) != kind:
            detail = (
                f"field {name.field} with a {path.suffix} file; expected {ECG_FIELD} as .xml or {CINE_FIELD} as .zip"
            )
            raise Rejected(Reason.BAD_NAME, detail)
    except Rejected as error:
        return Unplaced(kind, relative, size, error.reason, error.detail)
    except OSError as error:
        return Unplaced(kind, relative, size, Reason.UNREADABLE, f"{type(error).__name__} while looking at the file")
    return kind, RawFile(name.eid, name.instance, relative, status.st_size, status.st_mtime_ns)


def _refuse_misnamed_lists(raw: Path, paths: list[Path]) -> None:
    for path in paths:
        if path.suffix.lower() not in {".csv", ".txt"} or is_withdrawal_list(path.name):
            continue
        try:
            with path.open("rb") as stream:
                first = stream.readline(64).strip()
        except OSError:
            continue
        if first.isdigit() and len(first) == EID_DIGITS:
            raise WorkspaceError(
                f"{path.relative_to(raw)} starts with a bare participant id, as withdrawal lists do, but is not named like one; name "
                "it w<application>_<YYYYMMDD>.csv, or move it out of the raw folder"
            )


def _withdrawals(raw: Path, lists: list[Path]) -> frozenset[int]:
    gone: frozenset[int] = frozenset()
    for path in lists:
        try:
            gone |= read_withdrawals(path)
        except Rejected as error:
            raise WorkspaceError(
                f"withdrawal list {path.relative_to(raw)} cannot be read ({error.detail}); mend or remove it: ingesting "
                "without it would bring back participants who left"
            ) from None
    return gone
