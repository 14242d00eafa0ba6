"""data/: slots are reserved for ever, rows leave, shards and tables are written anew without them.

In this order a kill leaves no row that points at an emptied slot, and no emptied slot that could be given again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eccl.data.arrays import ArraySpec, checksum, open_array, read_rows, write_shard
from eccl.data.database import write_if_changed, write_table
from eccl.data.parts import PARTED, part_path, table_files
from eccl.errors import ChecksumError
from eccl.modalities import MODALITIES
from eccl.withdrawal.journal import Plan
from eccl.withdrawal.rows import without
from eccl.workspace import Workspace

WHOLE = ("participants", "visits", "traits", "diagnoses", "splits", "labels", "pairs", "exclusions")
"""Whole tables with rows of participants. Nobody's row depends on another participant, so leaving rows out is enough."""


def delete_slots(workspace: Workspace, plan: Plan) -> None:
    """Enter the participants' slots, those of refused and superseded files included, into table ``deletions``."""
    files = table_files(workspace.data, "deletions")
    rows = pq.read_table(files[0]).to_pylist() if files else []
    taken = {(row["modality"], row["row"]) for row in rows}
    entry = {"deleted_on": plan.since, "certificate": plan.certificate}
    new = [
        {"modality": kind, "row": row, **entry}
        for kind, slots in plan.slots.items()
        for row in slots
        if (kind, row) not in taken
    ]
    if new:
        write_table(workspace.data, "deletions", pa.Table.from_pylist([*rows, *new]))


def empty_parts(workspace: Workspace, plan: Plan) -> None:
    """Take the rows out of the parts; a part that has none left goes too, as if its shard had never been."""
    for table in PARTED:
        for file in table_files(workspace.data, table):
            rows = pq.read_table(file)
            left = without(rows, plan.select)
            if left.num_rows == rows.num_rows:
                continue
            if left.num_rows or file.stem == "table":  # an ingest writes that one in any case
                write_if_changed(left, file)
            else:
                file.unlink()


def empty_shards(workspace: Workspace, plan: Plan) -> None:
    """Write the touched shards anew; emptied slots read as zeros, and the bytes are those of a shard that never held them."""
    for modality in MODALITIES:
        for name, column in modality.arrays.items():
            for shard, gone in touched(workspace.data, name, plan.written[modality.kind]):
                if _read(workspace.data, name, gone).any():
                    _empty_shard(workspace.data, modality.table, name, column, shard)


def touched(data: Path, name: str, rows: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Shards of an array that hold some rows, each with those rows; none where only tables were brought here."""
    if not rows or not (data / name / "zarr.json").is_file():
        return
    size = open_array(data, name).shard_rows
    for shard in sorted({row // size for row in rows}):
        yield shard, [row for row in rows if row // size == shard]


def _empty_shard(data: Path, table: str, name: str, column: str, shard: int) -> None:
    # Layout from the array itself: params.yaml may have changed since, and must not stand in a withdrawal's way.
    array = open_array(data, name)
    spec = ArraySpec(name, array.record_shape, array.dtype.name, array.shard_rows, {})
    write_shard(data, spec, shard, _kept(data, part_path(data, table, shard), name, column))


def _kept(data: Path, part: Path, name: str, column: str) -> dict[int, NDArray[Any]]:
    if not part.is_file():
        return {}
    rows = pq.read_table(part, columns=["row", column])
    slots, checksums = rows.column("row").to_pylist(), rows.column(column).to_pylist()
    records = _read(data, name, slots)
    wrong = sum(checksum(record) != known for record, known in zip(records, checksums, strict=True))
    if wrong:
        raise ChecksumError(
            f"{wrong} slots of {name} in a shard to be written anew differ from their checksums, and the damage would stay unseen; "
            "bring the shard back (`dvc checkout data.dvc`), then run `eccl withdraw --resume`"
        )
    return dict(zip(slots, records, strict=True))


def _read(data: Path, name: str, rows: list[int]) -> NDArray[Any]:
    try:
        return read_rows(data, name, rows)
    except ValueError as error:  # tensorstore's word for a damaged chunk
        raise ChecksumError(
            f"a shard of {name} that is to be written anew cannot be read ({type(error).__name__}); bring it back "
            "(`dvc checkout data.dvc`), then run `eccl withdraw --resume`"
        ) from error


def empty_tables(workspace: Workspace, plan: Plan) -> None:
    """Take the rows out of the whole tables."""
    for table in WHOLE:
        for file in table_files(workspace.data, table):
            rows = pq.read_table(file)
            left = without(rows, plan.select)
            if left.num_rows < rows.num_rows:
                write_table(workspace.data, table, left)
