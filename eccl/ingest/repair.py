"""Which committed slots do not read back to their recorded checksum any more."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from eccl.data.arrays import find_damaged, mend_metadata
from eccl.data.parts import read_files, table_files
from eccl.data.slots import SLOTS
from eccl.ingest.modality import Modality


def mend_arrays(data: Path, modality: Modality) -> None:
    """Write metadata of arrays anew where it is lost, so that records are not taken for damaged with it."""
    files = table_files(data, modality.table)
    if files:
        last = max(read_files(files, ["row"]).column("row").to_pylist(), default=-1)
        for spec in modality.specs:
            mend_metadata(data, spec, last // modality.shard_rows + 1)


def damaged_slots(data: Path, modality: Modality) -> set[int]:
    """Slots of a modality with a record that does not read back, superseded ones included; everything is read."""
    files = table_files(data, modality.table)
    if not files:
        return set()
    arrays = next(slots.arrays for slots in SLOTS if slots.kind == modality.kind)
    found = read_files(files, ["row", *arrays.values()])
    rows = found.column("row").to_pylist()
    return {row for name, column in arrays.items() for row in _damaged(data, name, rows, found.column(column))}


def _damaged(data: Path, name: str, rows: list[int], checksums: pa.ChunkedArray) -> list[int]:
    if not (data / name / "zarr.json").is_file():
        return rows
    return find_damaged(data, name, rows, checksums.to_pylist())
