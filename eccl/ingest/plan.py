"""Which slot each new file gets, in shard-sized batches of work.

The plan depends on nothing but the files found and the slots already taken, so the run after a kill makes the same plan
for what is left, and ends in the same bytes.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from eccl.data.parts import part_path, read_files, table_files
from eccl.ingest.modality import Modality
from eccl.ingest.raw.discover import RawFile
from eccl.ingest.raw.known_files import SeenFiles


@dataclass(frozen=True, slots=True)
class Known:
    """What is already decided for one visit: committed or refused, from which raw bytes."""

    file_sha256: str | None
    row: int
    refused_for: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One file and the slot reserved for it."""

    file: RawFile
    row: int
    is_repair: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One shard's worth of work.

    `damaged` are committed slots of the shard that do not read back and that no item brings back; they are not carried over.
    """

    kind: str
    shard: int
    items: tuple[Item, ...]
    damaged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Work to do for one modality, and what needs none."""

    batches: tuple[Batch, ...]
    unchanged: int
    quarantined_before: int
    changed: int
    retried: int
    vanished: int
    damaged: int
    shards: int

    @property
    def new(self) -> int:
        """Files to read, those of damaged slots left out."""
        return sum(len(batch.items) for batch in self.batches) - self.repairs

    @property
    def repairs(self) -> int:
        """Damaged slots whose files are to be read again."""
        return sum(item.is_repair for batch in self.batches for item in batch.items)


def quarantine_path(data: Path, kind: str, shard: int) -> Path:
    """Path of the quarantine part that belongs to one shard."""
    return data / "tables" / "quarantine" / f"{kind}-{shard:05d}.parquet"


def known_visits(data: Path, modality: Modality) -> dict[tuple[int, int], Known]:
    """Visits already committed or refused, each by its highest slot."""
    known: dict[tuple[int, int], Known] = {}
    for quarantined in (True, False):
        for row, visit, sha, reason in _taken(data, modality, quarantined=quarantined):
            if visit not in known or known[visit].row <= row:  # of one slot the committed row counts
                known[visit] = Known(sha, row, reason)
    return known


def taken_rows(data: Path, modality: Modality) -> set[int]:
    """Slots that are committed, reserved for a refused file, or emptied by a withdrawal: none of them is given again."""
    both = itertools.chain(_taken(data, modality, quarantined=True), _taken(data, modality, quarantined=False))
    return {row for row, *_ in both} | _deleted(data, modality)


def make_plan(
    data: Path,
    modality: Modality,
    files: Iterable[RawFile],
    seen: SeenFiles,
    *,
    retry: Container[str] = (),
    damaged: Collection[int] = (),
) -> Plan:
    """Compare the files found with what is known and give every new or changed one a slot.

    Parameters
    ----------
    retry
        Reasons whose files are read again, for instance after a limit in params.yaml was changed.
    damaged
        Committed slots that do not read back; those whose file is still the same are read again into the same slot.
    """
    known = known_visits(data, modality)
    counts = Counter[str]()
    fresh: list[RawFile] = []
    again: list[Item] = []
    present: set[tuple[int, int]] = set()
    for file in files:
        visit = (file.eid, file.instance)
        present.add(visit)
        fate = _fate(known.get(visit), file, seen, retry, damaged)
        counts[fate] += 1
        if fate == "repair":
            again.append(Item(file, known[visit].row, is_repair=True))
        elif fate == "retried":  # nothing is in its slot
            again.append(Item(file, known[visit].row))
        elif fate not in {"unchanged", "quarantined"}:
            fresh.append(file)
    taken = taken_rows(data, modality)
    free = (row for row in itertools.count() if row not in taken)
    items = sorted([*again, *(Item(file, next(free)) for file in sorted(fresh))], key=lambda item: item.row)
    lost = set(damaged) - {item.row for item in again}
    last = max([*taken, *(item.row for item in items)], default=-1)
    return Plan(
        batches=_batches(modality, items, lost),
        unchanged=counts["unchanged"],
        quarantined_before=counts["quarantined"],
        changed=counts["changed"],
        retried=counts["retried"],
        vanished=len(known.keys() - present),
        damaged=len(damaged),
        shards=last // modality.shard_rows + 1,
    )


def _fate(before: Known | None, file: RawFile, seen: SeenFiles, retry: Container[str], damaged: Container[int]) -> str:
    if before is None:
        return "new"
    if seen.sha256(file) != before.file_sha256:
        return "changed"
    if before.refused_for is not None:
        return "retried" if before.refused_for in retry else "quarantined"
    return "repair" if before.row in damaged else "unchanged"


def _batches(modality: Modality, items: list[Item], lost: Collection[int]) -> tuple[Batch, ...]:
    def shard_of(row: int) -> int:
        return row // modality.shard_rows

    return tuple(
        Batch(modality.kind, shard, tuple(group), tuple(sorted(row for row in lost if shard_of(row) == shard)))
        for shard, group in itertools.groupby(items, key=lambda item: shard_of(item.row))
    )


def _deleted(data: Path, modality: Modality) -> set[int]:
    rows = [
        row
        for file in table_files(data, "deletions")
        for row in pq.read_table(file, columns=["row"], filters=[("modality", "=", modality.kind)])["row"].to_pylist()
    ]
    return set(rows)


def _taken(
    data: Path, modality: Modality, *, quarantined: bool
) -> Iterator[tuple[int, tuple[int, int], str | None, str | None]]:
    folder = (quarantine_path(data, modality.kind, 0) if quarantined else part_path(data, modality.table, 0)).parent
    paths = sorted(folder.glob(f"{modality.kind}-*.parquet" if quarantined else "part-*.parquet"))
    columns = ["row", "eid", "instance", "file_sha256"] + ["reason"] * quarantined
    if not paths:
        return
    found = read_files(paths, columns)
    rows, eids, instances, hashes, *reasons = (found.column(name).to_pylist() for name in columns)
    why = reasons[0] if reasons else itertools.repeat(None, len(rows))
    yield from zip(rows, zip(eids, instances, strict=True), hashes, why, strict=True)
