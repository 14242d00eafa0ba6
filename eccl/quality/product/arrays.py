"""Arrays compared with the rows that commit their slots: metadata, shards on disk, checksums, emptied slots."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eccl.config import load_params
from eccl.data.arrays import OpenArray, open_array, read_rows, verify_rows
from eccl.data.layouts import array_specs
from eccl.data.parts import read_files, read_table, table_files
from eccl.errors import ChecksumError
from eccl.modalities import MODALITIES, MODALITY_OF_TABLE
from eccl.quality.checks import CHECKED
from eccl.quality.product.findings import Finding, Node, critical, note, warning
from eccl.templates import count_of
from eccl.workspace import Workspace

REPAIR = "run `eccl ingest RAW --repair`; `dvc checkout --force data.dvc` restores a recorded version"
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Committed:
    """Slots of one array in the tables.

    Parameters
    ----------
    checksums
        Checksum by slot, superseded slots included.
    parts
        Shards with a part file of rows or of quarantined files.
    deleted
        Slots that a withdrawal emptied.
    """

    checksums: Mapping[int, str]
    parts: frozenset[int]
    deleted: tuple[int, ...]


def check_arrays(workspace: Workspace, sample: int) -> list[Node]:
    """Check every array that exists or is needed by a table.

    Parameters
    ----------
    sample
        Slots to read back per array, from every shard; 0 reads every slot.
    """
    nodes: list[Node] = []
    for table, array, column in CHECKED:
        folder = workspace.data / array
        if folder.is_dir() or table_files(workspace.data, table):
            nodes.append(_check_array(workspace, array, _committed(workspace.data, table, column), sample))
    return nodes


def _committed(data: Path, table: str, column: str) -> Committed:
    files = table_files(data, table)
    checksums: dict[int, str] = {}
    if files:
        rows = read_files(files, ["row", column])
        checksums = dict(zip(rows.column("row").to_pylist(), rows.column(column).to_pylist(), strict=True))
    quarantined = (data / "tables" / "quarantine").glob(f"{MODALITY_OF_TABLE[table].kind}-*.parquet")
    numbers = [file.stem.rpartition("-")[2] for file in [*files, *quarantined]]
    deleted: tuple[int, ...] = ()
    if table_files(data, "deletions"):
        rows = read_table(data, "deletions", ["modality", "row"]).to_pylist()
        deleted = tuple(one["row"] for one in rows if one["modality"] == MODALITY_OF_TABLE[table].kind)
    return Committed(checksums, frozenset(int(number) for number in numbers if number.isdigit()), deleted)


def _check_array(workspace: Workspace, array: str, known: Committed, sample: int) -> Node:
    folder = workspace.data / array
    try:
        layout = open_array(workspace.data, array)
    except ValueError:
        what = f"zarr.json cannot be read; {count_of(len(known.checksums), 'committed slot')} cannot be found"
        return Node(array, "", (critical(what, REPAIR),))
    shards = _shards(folder, len(layout.record_shape))
    findings = [
        *_check_layout(workspace, array, layout, known),
        *_check_shards(layout, shards, known),
        *_check_deleted(workspace.data, array, layout, shards, known.deleted),
    ]
    read, wrong = _read_back(workspace.data, array, layout, shards, known, sample)
    if wrong:
        several = ", ".join(str(shard) for shard in sorted(wrong)[:6]) + (", ..." if len(wrong) > 6 else "")
        what = (
            f"{count_of(sum(wrong.values()), 'slot')} of {read:,} read differ from their checksums, in shard {several}"
        )
        findings.append(critical(what, REPAIR))
    count = f"{count_of(len(known.checksums), 'slot')} in {count_of(len(shards), 'shard')}, {read:,} read back"
    return Node(array, count, tuple(findings))


def _check_layout(workspace: Workspace, array: str, layout: OpenArray, known: Committed) -> Iterator[Finding]:
    if beyond := sum(row >= layout.rows for row in known.checksums):
        what = f"{count_of(beyond, 'row')} of the table are beyond the array's {layout.rows:,} slots: zarr.json is older than the parts"
        yield critical(what, "run `dvc checkout --force data.dvc`, or `eccl ingest RAW --repair`")
    if layout.rows % layout.shard_rows:
        yield critical(f"{layout.rows:,} slots are not a multiple of the shard size {layout.shard_rows:,}", REPAIR)
    modality = next(one for one in MODALITIES if array in one.arrays)
    specs = array_specs(modality, load_params(workspace.params_file))
    wanted, record = next((one.shard_rows, one.record_shape) for one in specs if one.name == array)
    if (wanted, record) != (layout.shard_rows, layout.record_shape):
        what = f"made with {layout.shard_rows} slots per shard of {layout.record_shape}; params.yaml now has {wanted} of {record}"
        yield warning(what, "put the old values back into params.yaml, otherwise the next ingest is refused")
    wide = layout.rows // layout.shard_rows
    if known.parts and wide > max(known.parts) + 1:
        what = f"prepared for {count_of(wide, 'shard')}, and parts commit {max(known.parts) + 1}: an ingest was interrupted"
        yield note(what, "harmless; the next `eccl ingest RAW` fills them")


def _check_shards(layout: OpenArray, shards: frozenset[int], known: Committed) -> Iterator[Finding]:
    needed = {row // layout.shard_rows for row in known.checksums}
    if missing := needed - shards:
        rows = sum(row // layout.shard_rows in missing for row in known.checksums)
        what = f"{count_of(len(missing), 'shard')} missing on disk, with {count_of(rows, 'committed row')}"
        yield critical(what, REPAIR)
    if extra := shards - needed - known.parts:
        what = f"{count_of(len(extra), 'shard')} without a part: written, and never committed"
        yield note(what, "harmless; the next `eccl ingest RAW` writes them again")


def _check_deleted(
    data: Path, array: str, layout: OpenArray, shards: frozenset[int], deleted: Sequence[int]
) -> Iterator[Finding]:
    readable = [row for row in deleted if row < layout.rows and row // layout.shard_rows in shards]
    filled = 0
    for start in range(0, len(readable), _AT_ONCE):
        try:
            filled += sum(bool(np.any(record)) for record in read_rows(data, array, readable[start : start + _AT_ONCE]))
        except ValueError:
            continue  # an unreadable shard fails its checksums
    if filled:
        what = f"{count_of(filled, 'slot')} that a withdrawal emptied contain data again"
        yield critical(what, "run `eccl withdraw LIST` with their list again; it removes the data")


def _read_back(
    data: Path, array: str, layout: OpenArray, shards: frozenset[int], known: Committed, sample: int
) -> tuple[int, dict[int, int]]:
    """Read slots back; return how many were read, and wrong ones by shard."""
    by_shard: dict[int, list[int]] = defaultdict(list)
    for row in sorted(known.checksums):
        if row < layout.rows and row // layout.shard_rows in shards:
            by_shard[row // layout.shard_rows].append(row)
    chosen = {shard: _choose(shard, rows, sample, len(by_shard)) for shard, rows in by_shard.items()}

    def verify(shard: int) -> int:
        rows = chosen[shard]
        try:
            return len(verify_rows(data, array, rows, [known.checksums[row] for row in rows]))
        except ChecksumError:
            return len(rows)

    with ThreadPoolExecutor(os.cpu_count()) as readers:
        counted = dict(zip(chosen, readers.map(verify, chosen), strict=True))
    return sum(map(len, chosen.values())), {shard: wrong for shard, wrong in counted.items() if wrong}


def _choose(shard: int, rows: list[int], sample: int, shards: int) -> list[int]:
    # The sample includes every shard: damage affects whole files.
    wanted = -(-sample // shards) if sample else 0
    return sorted(random.Random(shard).sample(rows, wanted)) if 0 < wanted < len(rows) else rows


def _shards(folder: Path, dimensions: int) -> frozenset[int]:
    """Numbers of the shards on disk: the first coordinate of ``c/<shard>/0/0``."""
    files = (folder / "c").glob("/".join(["*", *["0"] * dimensions]))
    numbers = (file.parts[-dimensions - 1] for file in files)
    return frozenset(int(number) for number in numbers if number.isdigit())
