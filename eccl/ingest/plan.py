"""Assign a slot to every new file, and group them into batches of one shard.

The plan depends only on the files found and the slots already taken. The run after a kill therefore makes the same plan
for the remaining files and writes the same bytes.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eccl.data.arrays import find_damaged, mend_metadata
from eccl.data.parts import read_files, table_files
from eccl.ingest.raw.discover import RawFile
from eccl.ingest.raw.source import KnownHashes
from eccl.ingest.record import RecordReader
from eccl.modalities import Modality


@dataclass(frozen=True, slots=True)
class Known:
    """The committed or quarantined slot of one visit, and the hash of its raw file; `reason` is None if committed."""

    file_sha256: str | None
    row: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One file and the slot reserved for it."""

    file: RawFile
    row: int
    is_repair: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Files of one shard.

    `damaged` are committed slots of the shard that do not read back and that no item repairs; they are not carried over.
    """

    kind: str
    shard: int
    items: tuple[Item, ...]
    damaged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches of one modality, and counts of the files that need no work."""

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
        """Files to read, without those of damaged slots."""
        return sum(len(batch.items) for batch in self.batches) - self.repairs

    @property
    def repairs(self) -> int:
        """Damaged slots whose files will be read again."""
        return sum(item.is_repair for batch in self.batches for item in batch.items)


def quarantine_path(data: Path, kind: str, shard: int) -> Path:
    """Path of the quarantine part that belongs to one shard."""
    return data / "tables" / "quarantine" / f"{kind}-{shard:05d}.parquet"


def known_visits(data: Path, modality: Modality) -> dict[tuple[int, int], Known]:
    """Visits already committed or quarantined, each by its highest slot."""
    known: dict[tuple[int, int], Known] = {}
    for line in _taken(data, modality):  # of one slot the committed row counts: it is the later one
        visit = (line["eid"], line["instance"])
        if visit not in known or known[visit].row <= line["row"]:
            known[visit] = Known(line["file_sha256"], line["row"], line.get("reason"))
    return known


def taken_rows(data: Path, modality: Modality) -> set[int]:
    """Slots that are committed, reserved for a quarantined file, or emptied by a withdrawal; none of them is assigned again."""
    files = table_files(data, "deletions")
    deleted = read_files(files, ["modality", "row"]).to_pylist() if files else []
    return {line["row"] for line in _taken(data, modality)} | {
        line["row"] for line in deleted if line["modality"] == modality.kind
    }


def make_plan(
    data: Path,
    reader: RecordReader,
    files: Iterable[RawFile],
    hashes: KnownHashes,
    *,
    retry: Container[str] = (),
    damaged: Collection[int] = (),
) -> Plan:
    """Compare the files found with the known visits and assign a slot to every new or changed one.

    Parameters
    ----------
    retry
        Quarantine reasons whose files are read again, for instance after a limit in params.yaml was changed.
    damaged
        Committed slots that do not read back. If the raw file is unchanged, it is read again into the same slot.
    """
    known = known_visits(data, reader.modality)
    counts = Counter[str]()
    fresh: list[RawFile] = []
    repeated: list[Item] = []
    present: set[tuple[int, int]] = set()
    for file in files:
        visit = (file.eid, file.instance)
        present.add(visit)
        fate = _fate(known.get(visit), file, hashes, retry, damaged)
        counts[fate] += 1
        if fate == "repair":
            repeated.append(Item(file, known[visit].row, is_repair=True))
        elif fate == "retried":  # its slot is empty
            repeated.append(Item(file, known[visit].row))
        elif fate not in {"unchanged", "quarantined"}:
            fresh.append(file)
    taken = taken_rows(data, reader.modality)
    free = (row for row in itertools.count() if row not in taken)
    items = sorted([*repeated, *(Item(file, next(free)) for file in sorted(fresh))], key=lambda item: item.row)
    lost = set(damaged) - {item.row for item in repeated}
    last = max([*taken, *(item.row for item in items)], default=-1)
    return Plan(
        batches=_batches(reader, items, lost),
        unchanged=counts["unchanged"],
        quarantined_before=counts["quarantined"],
        changed=counts["changed"],
        retried=counts["retried"],
        vanished=len(known.keys() - present),
        damaged=len(damaged),
        shards=last // reader.shard_rows + 1,
    )


def mend_arrays(data: Path, reader: RecordReader) -> None:
    """Write missing or unreadable array metadata again, so that records are not taken for damaged because of it."""
    files = table_files(data, reader.table)
    if files:
        last = max(read_files(files, ["row"]).column("row").to_pylist(), default=-1)
        for spec in reader.specs:
            mend_metadata(data, spec, last // reader.shard_rows + 1)


def damaged_slots(data: Path, modality: Modality) -> set[int]:
    """Slots of a modality with a record that does not read back, superseded ones included; reads every record."""
    files = table_files(data, modality.table)
    if not files:
        return set()
    found = read_files(files, ["row", *modality.arrays.values()])
    rows = found.column("row").to_pylist()
    damaged: set[int] = set()
    for name, column in modality.arrays.items():
        has_array = (data / name / "zarr.json").is_file()
        damaged.update(find_damaged(data, name, rows, found.column(column).to_pylist()) if has_array else rows)
    return damaged


def _fate(
    before: Known | None, file: RawFile, hashes: KnownHashes, retry: Container[str], damaged: Container[int]
) -> str:
    if before is None:
        return "new"
    if hashes.sha256(file) != before.file_sha256:
        return "changed"
    if before.reason is not None:
        return "retried" if before.reason in retry else "quarantined"
    return "repair" if before.row in damaged else "unchanged"


def _batches(reader: RecordReader, items: list[Item], lost: Collection[int]) -> tuple[Batch, ...]:
    def shard_of(row: int) -> int:
        return row // reader.shard_rows

    return tuple(
        Batch(reader.kind, shard, tuple(group), tuple(sorted(row for row in lost if shard_of(row) == shard)))
        for shard, group in itertools.groupby(items, key=lambda item: shard_of(item.row))
    )


def _taken(data: Path, modality: Modality) -> list[dict[str, Any]]:
    """Rows of quarantined files, with their reason, followed by committed rows."""
    quarantined = sorted(quarantine_path(data, modality.kind, 0).parent.glob(f"{modality.kind}-*.parquet"))
    columns = ["row", "eid", "instance", "file_sha256"]
    found = read_files(quarantined, [*columns, "reason"]).to_pylist() if quarantined else []
    committed = table_files(data, modality.table)
    return found + (read_files(committed, columns).to_pylist() if committed else [])
