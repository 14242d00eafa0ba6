"""The batch worker: reads the raw files of one shard and commits the shard and its part. Workers share no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from eccl.config import Params
from eccl.data.arrays import read_whole, write_shard
from eccl.data.database import conform, write_if_changed
from eccl.data.parts import part_path, read_files
from eccl.errors import Reason, Rejected, SourceError, WorkerError
from eccl.ingest.plan import Batch, Item, quarantine_path
from eccl.ingest.raw.source import UNREADABLE, Source
from eccl.ingest.reader.process import reader_failed
from eccl.ingest.record import Record, RecordReader, record_reader
from eccl.modalities import MODALITY_OF_KIND
from eccl.remedies import remedy


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Counts of a batch, and the hashes of its raw files by slot."""

    kind: str
    shard: int
    expected: int
    written: int
    repaired: int
    quarantined: dict[str, int]
    flags: dict[str, int]
    hashes: tuple[tuple[int, str | None], ...]


def ingest_batch(source: Source, data: Path, params: Params, batch: Batch) -> BatchResult:
    """Read the records of a batch and commit their shard.

    The arrays of the shard are written first, then the quarantine part, and last the part of the table, which makes the rows
    exist. A kill before that leaves slots without a row; the next run fills them with the same bytes.
    """
    reader = record_reader(MODALITY_OF_KIND[batch.kind], params)
    records: dict[int, Record] = {}
    rows: list[dict[str, Any]] = []
    quarantined: list[dict[str, Any]] = []
    hashes: list[tuple[int, str | None]] = []
    for item in batch.items:
        origin, outcome = _read(source, reader, item)
        hashes.append((item.row, origin["file_sha256"]))
        if isinstance(outcome, Record):
            records[item.row] = outcome
            rows.append({**origin, **outcome.columns})
        elif not item.is_repair:  # a slot that cannot be repaired now is left as it is; the next repair finds it again
            verdict = {"reason": outcome.reason.value, "detail": outcome.detail, "remedy": remedy(outcome.reason)}
            quarantined.append({"kind": batch.kind, **origin, **verdict})
    _commit(data, reader, batch, records, rows, quarantined)
    repairs = {item.row for item in batch.items if item.is_repair}
    repaired = len(repairs & records.keys())
    return BatchResult(
        kind=batch.kind,
        shard=batch.shard,
        expected=len(batch.items),
        written=len(rows) - repaired,
        repaired=repaired,
        quarantined=dict(Counter(str(row["reason"]) for row in quarantined)),
        flags=dict(Counter(flag for row in rows for flag in str(row["flags"]).split(",") if flag)),
        hashes=tuple(hashes),
    )


def _read(source: Source, reader: RecordReader, item: Item) -> tuple[dict[str, Any], Record | Rejected]:
    origin: dict[str, Any] = {
        "eid": item.file.eid,
        "instance": item.file.instance,
        "row": item.row,
        "path": item.file.path,
        "file_sha256": UNREADABLE,
        "file_bytes": item.file.size,
    }
    try:
        with source.fetch(item.file) as raw:
            origin["file_sha256"] = raw.fingerprint()
            return origin, raw.read(reader)
    except Rejected as error:
        return origin, error
    except (SourceError, WorkerError):  # not a fault of the file
        raise
    except OSError as error:
        return origin, Rejected(Reason.UNREADABLE, f"{type(error).__name__} while reading the file")
    except Exception as error:  # one file must not stop the batch
        return origin, reader_failed(error)


def _commit(
    data: Path,
    reader: RecordReader,
    batch: Batch,
    records: dict[int, Record],
    rows: list[dict[str, Any]],
    quarantined: list[dict[str, Any]],
) -> None:
    part = part_path(data, reader.table, batch.shard)
    if records:
        # All are read before the first is written: damage found in the second array leaves the first one unchanged.
        kept = {
            name: _records_to_keep(data, name, column, batch, records.keys())
            for name, column in reader.modality.arrays.items()
        }
        for spec in reader.specs:
            fresh = {row: record.arrays[spec.name] for row, record in records.items()}
            write_shard(data, spec, batch.shard, kept[spec.name] | fresh)
    _update_quarantine(quarantine_path(data, reader.kind, batch.shard), quarantined, records.keys())
    if rows:
        write_if_changed(_joined(reader.table, part, rows), part)


def _update_quarantine(path: Path, quarantined: list[dict[str, Any]], accepted: Collection[int]) -> None:
    """Add newly quarantined files to a quarantine part, and remove slots that a retry filled."""
    if path.is_file():
        before = read_files([path])
        left = _without(before, accepted)
        if left.num_rows < before.num_rows and left.num_rows + len(quarantined) == 0:
            path.unlink()
        elif left.num_rows < before.num_rows:
            write_if_changed(left, path)
    if quarantined:
        write_if_changed(_joined("quarantine", path, quarantined), path)


def _records_to_keep(
    data: Path, name: str, column: str, batch: Batch, fresh: Collection[int]
) -> dict[int, NDArray[Any]]:
    """Committed records of the shard that are kept; those that the plan lists as damaged are left out."""
    part = part_path(data, MODALITY_OF_KIND[batch.kind].table, batch.shard)
    committed = read_files([part], ["row", column]).to_pylist() if part.is_file() else []
    # Slots of this batch may be committed already, by a worker that outlived its parent or a retry; they are replaced.
    known = {line["row"]: line[column] for line in committed if line["row"] not in fresh}
    repaired = {item.row for item in batch.items if item.is_repair}
    return read_whole(data, name, known, lost={*repaired, *batch.damaged})


def _joined(table: str, path: Path, rows: list[dict[str, Any]]) -> pa.Table:
    fresh = conform(table, pa.Table.from_pylist(rows))
    if not path.is_file():
        return fresh.sort_by("row")
    return pa.concat_tables([fresh, _without(read_files([path]), fresh.column("row").to_pylist())]).sort_by("row")


def _without(table: pa.Table, rows: Collection[int]) -> pa.Table:
    slots = pa.array(sorted(rows), table.schema.field("row").type)
    return table.filter(pc.invert(pc.is_in(table.column("row"), value_set=slots)))
