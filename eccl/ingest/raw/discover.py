"""What lies in a raw folder or bucket, told by file names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from eccl.errors import Reason, Rejected, SourceError, WorkspaceError
from eccl.ingest.raw.raw_files import Entry, RawFiles
from eccl.readers.names import is_withdrawal_list, parse_bulk_name
from eccl.readers.tables.withdrawal_lists import read_withdrawals

ECG_FIELD, CINE_FIELD = 20205, 20209
KIND_OF_FIELD = {ECG_FIELD: "ecg", CINE_FIELD: "cine"}
KIND_OF_SUFFIX = {".xml": "ecg", ".zip": "cine", ".dcm": "cine"}
TABLE_SUFFIXES = {".csv", ".tab", ".tsv"}
EID_DIGITS = 7
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, order=True)
class RawFile:
    """One bulk file of one visit.

    `path` is relative to the place, `mtime_ns` None where no time tells a file from its successor.
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
        Candidate tabular exports.
    withdrawals
        Participants that withdrew, over all lists found.
    """

    files: dict[str, tuple[RawFile, ...]]
    duplicates: dict[str, int]
    withdrawn: dict[str, int]
    unplaced: tuple[Unplaced, ...]
    tables: tuple[Entry, ...]
    withdrawals: frozenset[int]


def discover(raw: RawFiles) -> Discovery:
    """List a place with raw files.

    Raises
    ------
    WorkspaceError
        The place does not exist, or a withdrawal list cannot be read: going on would ingest who has left.
    SourceError
        A bucket cannot be reached.
    """
    entries = raw.entries()
    _refuse_misnamed_lists(raw, entries)
    withdrawals = _withdrawals(raw, [entry for entry in entries if is_withdrawal_list(entry.name)])
    found: dict[str, dict[tuple[int, int], RawFile]] = {"ecg": {}, "cine": {}}
    duplicates = {"ecg": 0, "cine": 0}
    withdrawn = {"ecg": 0, "cine": 0}
    unplaced: list[Unplaced] = []
    for entry in entries:
        kind = KIND_OF_SUFFIX.get(entry.suffix)
        if kind is None:
            continue
        file = _bulk_file(entry, kind)
        if isinstance(file, Unplaced):
            unplaced.append(file)
        elif file.eid in withdrawals:
            withdrawn[kind] += 1
        elif (file.eid, file.instance) in found[kind]:
            duplicates[kind] += 1
        else:
            found[kind][(file.eid, file.instance)] = file
    listed = Discovery(
        files={kind: tuple(sorted(files.values())) for kind, files in found.items()},
        duplicates=duplicates,
        withdrawn=withdrawn,
        unplaced=tuple(unplaced),
        tables=tuple(e for e in entries if e.suffix in TABLE_SUFFIXES and not is_withdrawal_list(e.name)),
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


def _bulk_file(entry: Entry, kind: str) -> Unplaced | RawFile:
    if entry.problem:
        return Unplaced(kind, entry.path, entry.size, Reason.UNREADABLE, entry.problem)
    try:
        name = parse_bulk_name(entry.name)
    except Rejected as error:
        return Unplaced(kind, entry.path, entry.size, error.reason, error.detail)
    if KIND_OF_FIELD.get(name.field) != kind:
        detail = f"field {name.field} with a {entry.suffix} file; expected {ECG_FIELD} as .xml or {CINE_FIELD} as .zip"
        return Unplaced(kind, entry.path, entry.size, Reason.BAD_NAME, detail)
    return RawFile(name.eid, name.instance, entry.path, entry.size, entry.mtime_ns)


def _refuse_misnamed_lists(raw: RawFiles, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.suffix not in {".csv", ".txt"} or entry.problem or is_withdrawal_list(entry.name):
            continue
        try:
            first = raw.head(entry.path, 64).partition(b"\n")[0].strip()
        except SourceError:
            raise
        except OSError:
            continue
        if first.isdigit() and len(first) == EID_DIGITS:
            raise WorkspaceError(
                f"a {entry.suffix} file among the raw files starts with a bare participant id, as withdrawal lists do, but is not "
                "named like one; name it w<application>_<YYYYMMDD>.csv, or move it out (`head -n1` of each .csv and .txt finds it)"
            )


def _withdrawals(raw: RawFiles, lists: list[Entry]) -> frozenset[int]:
    gone: frozenset[int] = frozenset()
    for entry in lists:
        try:
            if entry.problem:
                raise Rejected(Reason.UNREADABLE, entry.problem)
            with raw.local(entry.path) as path:
                gone |= read_withdrawals(path)
        except Rejected as error:
            raise WorkspaceError(
                f"withdrawal list {entry.name} cannot be read ({error.detail}); mend or remove it: ingesting "
                "without it would bring back participants who left"
            ) from None
    return gone
