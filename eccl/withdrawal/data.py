"""Steps of a withdrawal on data/ and .eccl/: reserve slots, remove rows, rewrite shards and tables, delete caches.

In this order a kill leaves no row that refers to an emptied slot, and no emptied slot that could be assigned again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.arrays import ArraySpec, open_array, read_rows, read_whole, write_shard
from eccl.data.database import write_if_changed, write_table
from eccl.data.files import replace_file
from eccl.data.parts import PARTED, part_path, table_files
from eccl.errors import ChecksumError
from eccl.modalities import MODALITIES
from eccl.withdrawal.journal import Plan
from eccl.withdrawal.rows import ids_in, remaining_rows
from eccl.workspace import Workspace

WHOLE = ("participants", "visits", "traits", "diagnoses", "splits", "labels", "pairs", "exclusions")
"""Tables of one file with rows of participants. No row depends on another participant, so removing rows is enough."""


def delete_slots(workspace: Workspace, plan: Plan) -> None:
    """Add the participants' slots, including those of quarantined and superseded files, to table ``deletions``."""
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
    """Remove the rows from the parts, and delete parts without rows."""
    for table in PARTED:
        for file in table_files(workspace.data, table):
            left = remaining_rows(file, plan.select)
            if left is None:
                continue
            if left.num_rows or file.stem == "table":  # an ingest always writes that one
                write_if_changed(left, file)
            else:
                file.unlink()


def empty_shards(workspace: Workspace, plan: Plan) -> None:
    """Rewrite shards without the participants' records; an emptied slot reads as zeros, as if it had never been filled."""
    for modality in MODALITIES:
        for name, column in modality.arrays.items():
            for shard, emptied in shards_of(workspace.data, name, plan.written[modality.kind]):
                if _is_filled(workspace.data, name, emptied):
                    _empty_shard(workspace.data, modality.table, name, column, shard)


def shards_of(data: Path, name: str, rows: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Shards of an array that hold some rows, each with those rows; none if the array is missing."""
    if not rows or not (data / name / "zarr.json").is_file():
        return
    size = open_array(data, name).shard_rows
    for shard in sorted({row // size for row in rows}):
        yield shard, [row for row in rows if row // size == shard]


def _empty_shard(data: Path, table: str, name: str, column: str, shard: int) -> None:
    # Layout from the array itself: params.yaml may have changed since the ingest.
    array = open_array(data, name)
    spec = ArraySpec(name, array.record_shape, array.dtype.name, array.shard_rows, {})
    part = part_path(data, table, shard)
    kept = pq.read_table(part, columns=["row", column]).to_pylist() if part.is_file() else []
    write_shard(data, spec, shard, read_whole(data, name, {line["row"]: line[column] for line in kept}))


def _is_filled(data: Path, name: str, rows: list[int]) -> bool:
    try:
        return bool(read_rows(data, name, rows).any())
    except ValueError as error:  # tensorstore raises it for a damaged chunk
        raise ChecksumError(
            f"a shard of {name} that must be rewritten cannot be read ({type(error).__name__}); restore it "
            "(`dvc checkout data.dvc`), then run `eccl withdraw --resume`"
        ) from error


def empty_tables(workspace: Workspace, plan: Plan) -> None:
    """Remove the rows from the tables of one file."""
    for table in WHOLE:
        for file in table_files(workspace.data, table):
            left = remaining_rows(file, plan.select)
            if left is not None:
                write_table(workspace.data, table, left)


def empty_caches(workspace: Workspace, plan: Plan) -> None:
    """Delete checkpoints and the fingerprint of the tables, and remove the hashes of the participants' raw files."""
    shutil.rmtree(workspace.checkpoints, ignore_errors=True)
    (workspace.state / "tables.json").unlink(missing_ok=True)
    hashes = workspace.raw_hashes
    if not hashes.is_file():
        return
    try:
        entries = json.loads(hashes.read_text())
    except ValueError:  # a cache
        hashes.unlink()
        return
    left = {path: entry for path, entry in entries.items() if not plan.select(ids_in(path.encode()))}
    if len(left) < len(entries):
        replace_file(hashes, json.dumps(left, sort_keys=True).encode())
