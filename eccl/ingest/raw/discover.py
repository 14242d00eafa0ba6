"""List a raw folder or bucket by file names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from eccl.errors import Reason, Rejected, SourceError, WorkspaceError
from eccl.ingest.raw.raw_files import Entry, RawFiles
from eccl.modalities import MODALITIES, MODALITY_OF_SUFFIX, Modality
from eccl.readers.names import is_withdrawal_list, parse_bulk_name
from eccl.readers.tables.withdrawal_lists import read_withdrawals

TABLE_SUFFIXES = {".csv", ".tab", ".tsv"}
EID_DIGITS = 7
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, order=True)
class RawFile:
    """One bulk file of one visit.

    `kind` is that of its modality, `path` relative to the raw place, `mtime_ns` None where the place has no modification times.
    """

    eid: int
    instance: int
    kind: str
    path: str
    size: int
    mtime_ns: int | None


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A file of a modality that gets no slot: its name does not give participant and visit, or it cannot be opened."""

    kind: str
    path: str
    size: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything that an ingest must account for.

    Parameters
    ----------
    files
        Bulk files by kind of modality, one per visit, sorted by visit.
    duplicates, withdrawn
        Bulk files that are skipped, by kind: further copies of a visit's file, and files of withdrawn participants. An
        unplaced file counts as withdrawn if its path holds the id of a withdrawn participant.
    unplaced
        Files of a bulk kind that get no slot.
    tables
        Candidate tabular exports.
    withdrawals
        Withdrawn participants of all lists found.
    """

    files: dict[str, tuple[RawFile, ...]]
    duplicates: dict[str, int]
    withdrawn: dict[str, int]
    unplaced: tuple[Unplaced, ...]
    tables: tuple[Entry, ...]
    withdrawals: frozenset[int]


def discover(raw: RawFiles) -> Discovery:
    """List a folder or bucket of raw files.

    Raises
    ------
    WorkspaceError
        The place does not exist, or a withdrawal list cannot be read: continuing could ingest withdrawn participants.
    SourceError
        A bucket cannot be reached.
    """
    entries = raw.entries()
    _reject_misnamed_lists(raw, entries)
    withdrawals = _withdrawals(raw, [entry for entry in entries if is_withdrawal_list(entry.name)])
    found: dict[str, dict[tuple[int, int], RawFile]] = {one.kind: {} for one in MODALITIES}
    duplicates = dict.fromkeys(found, 0)
    withdrawn = dict.fromkeys(found, 0)
    unplaced: list[Unplaced] = []
    for entry in entries:
        modality = MODALITY_OF_SUFFIX.get(entry.suffix)
        if modality is None:
            continue
        kind = modality.kind
        file = _bulk_file(entry, modality)
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
    return skip_withdrawn(listed, withdrawals.intersection)


def skip_withdrawn(found: Discovery, select: Callable[[Iterable[int]], Iterable[int]]) -> Discovery:
    """Remove the bulk files of withdrawn participants and count them as withdrawn.

    Parameters
    ----------
    select
        Returns the withdrawn ones of some participants.
    """
    named = {file.path: numbers_in(file.path) for file in found.unplaced}
    eids = {file.eid for files in found.files.values() for file in files}.union(*named.values())
    withdrawn_eids = set(select(eids))
    if not withdrawn_eids:
        return found
    kept = {
        kind: tuple(file for file in files if file.eid not in withdrawn_eids) for kind, files in found.files.items()
    }
    unplaced = [file for file in found.unplaced if named[file.path] & withdrawn_eids]
    withdrawn = Counter(found.withdrawn)
    withdrawn.update({kind: len(found.files[kind]) - len(files) for kind, files in kept.items()})
    withdrawn.update(file.kind for file in unplaced)
    return replace(
        found,
        files=kept,
        withdrawn=dict(withdrawn),
        unplaced=tuple(file for file in found.unplaced if file not in unplaced),
        withdrawals=found.withdrawals | withdrawn_eids,
    )


def numbers_in(path: str) -> set[int]:
    """Whole numbers in a path that could be a participant's id."""
    return {int(digits) for digits in _NUMBER.findall(path) if len(digits) <= 10}


def _bulk_file(entry: Entry, modality: Modality) -> Unplaced | RawFile:
    if entry.problem:
        return Unplaced(modality.kind, entry.path, entry.size, Reason.UNREADABLE, entry.problem)
    try:
        name = parse_bulk_name(entry.name)
    except Rejected as error:
        return Unplaced(modality.kind, entry.path, entry.size, error.reason, error.detail)
    if name.field != modality.field:
        expected = " or ".join(f"{one.field} as {one.suffixes[0]}" for one in MODALITIES)
        detail = f"field {name.field} with a {entry.suffix} file; expected {expected}"
        return Unplaced(modality.kind, entry.path, entry.size, Reason.BAD_NAME, detail)
    return RawFile(name.eid, name.instance, modality.kind, entry.path, entry.size, entry.mtime_ns)


def _reject_misnamed_lists(raw: RawFiles, entries: list[Entry]) -> None:
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
                "named like one; rename it w<application>_<YYYYMMDD>.csv, or move it out (`head -n1` of each .csv and .txt finds it)"
            )


def _withdrawals(raw: RawFiles, lists: list[Entry]) -> frozenset[int]:
    withdrawn: frozenset[int] = frozenset()
    for entry in lists:
        try:
            if entry.problem:
                raise Rejected(Reason.UNREADABLE, entry.problem)
            with raw.local(entry.path) as path:
                withdrawn |= read_withdrawals(path)
        except Rejected as error:
            raise WorkspaceError(
                f"withdrawal list {entry.name} cannot be read ({error.detail}); correct or remove it; an ingest "
                "without it could add withdrawn participants"
            ) from None
    return withdrawn
