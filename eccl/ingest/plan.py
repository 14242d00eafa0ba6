"""Which slot each new file gets, in shard-sized batches of work.

The plan depends on nothing but the files found and the slots already taken, so the run after a kill makes the same plan
for what is left, and ends in the same bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from eccl.ingest.discover import RawFile
from eccl.ingest.modality import Modality
from eccl.ingest.seen import SeenFiles
from eccl.store.parts import part_path, table_files


@dataclass(frozen=True, slots=True)
class Known:
    """What is already decided for one visit: committed or refused, from which raw bytes."""

    file_sha256: str
    row: int
    is_quarantined: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One file and the slot reserved for it."""

    file: RawFile
    row: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One shard's worth of work."""

    kind: str
    shard: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Work to do for one modality, and what needs none."""

    batches: tuple[Batch, ...]
    unchanged: int
    quarantined_before: int
    changed: int
    vanished: int
    shards: int

    @property
    def new(self) -> int:
        return sum(len(batch.items) for batch in self.batches)


def quarantine_path(data: Path, kind: str, shard: int) -> Path:
    """Path of the quarantine part that belongs to one shard."""
    return data / "tables" / "quarantine" / f"{kind}-{shard:05d}.parquet"


def known_visits(data: Path, modality: Modality) -> dict[tuple[int, int], Known]:
    """Visits already committed or refused, each by its highest slot."""
    known: dict[tuple[int, int], Known] = {}
    for quarantined in (True, False):
        for row, visit, sha in _taken(data, modality, quarantined=quarantined):
            if visit not in known or known[visit].row < row:
                known[visit] = Known(sha, row, is_quarantined=quarantined)
    return known


def taken_rows(data: Path, modality: Modality) -> set[int]:
    """Slots that are committed, reserved for a refused file, or emptied by a withdrawal: none of them is given again."""
    both = itertools.chain(_taken(data, modality, quarantined=True), _taken(data, modality, quarantined=False))
    return {row for row, _, _ in both} | _deleted(data, modality)


def make_plan(
    data: Path, modality: Modality, files: Iterable[RawFile], seen: SeenFiles, *, retry: bool = False
) -> Plan:
    """Compare the files found with what is known and give every new or changed one a slot.

    With `retry` files that were refused before are read again, for instance after a limit in params.yaml was changed.
    """
    known = known_visits(data, modality)
    fresh: list[RawFile] = []
    unchanged = quarantined = changed = 0
    present: set[tuple[int, int]] = set()
    for file in files:
        visit = (file.eid, file.instance)
        present.add(visit)
        before = known.get(visit)
        if before is None:
            fresh.append(file)
        elif seen.sha256(file) != before.file_sha256:
            fresh.append(file)
            changed += 1
        elif before.is_quarantined and retry:
            fresh.append(file)
        elif before.is_quarantined:
            quarantined += 1
        else:
            unchanged += 1
    taken = taken_rows(data, modality)
    free = (row for row in itertools.count() if row not in taken)
    items = [Item(file, next(free)) for file in sorted(fresh)]
    batches = tuple(
        Batch(modality.kind, shard, tuple(group))
        for shard, group in itertools.groupby(items, key=lambda item: item.row // modality.shard_rows)
    )
    last = max([*taken, *(item.row for item in items)], default=-1)
    return Plan(
        batches=batches,
        unchanged=unchanged,
        quarantined_before=quarantined,
        changed=changed,
        vanished=len(known.keys() - present),
        shards=last // modality.shard_rows + 1,
    )


def _deleted(data: Path, modality: Modality) -> set[int]:
    rows = [
        row
        for file in table_files(data, "deletions")
        for row in pq.read_table(file, columns=["row"], filters=[("modality", "=", modality.kind)])["row"].to_pylist()
    ]
    return set(rows)


def _taken(data: Path, modality: Modality, *, quarantined: bool) -> Iterator[tuple[int, tuple[int, int], str]]:
    folder = (quarantine_path(data, modality.kind, 0) if quarantined else part_path(data, modality.table, 0)).parent
    pattern = f"{modality.kind}-*.parquet" if quarantined else "part-*.parquet"
    for path in sorted(folder.glob(pattern)):
        part = pq.read_table(path, columns=["row", "eid", "instance", "file_sha256"])
        rows, eids, instances, hashes = (part.column(name).to_pylist() for name in part.column_names)
        yield from zip(rows, zip(eids, instances, strict=True), hashes, strict=True)
