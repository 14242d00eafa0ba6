"""Rows of withdrawn participants in tables, and ids in texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from mmap import mmap
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Select = Callable[[Iterable[int]], AbstractSet[int]]
"""Function that returns the numbers that are ids of withdrawn participants."""

# The characters before a number are checked afterwards: a look-behind would reduce the rate to a quarter.
_TOKEN = re.compile(rb"[1-9][0-9]{4,9}(?![0-9])")
_HEX_LEFT, _HEX_RIGHT = re.compile(rb"[0-9a-f]*\Z"), re.compile(rb"[0-9a-f]*")
_NEVER = (b"size: ", b'"size": ')
_HASH_DIGITS = 16


def ids_in(content: bytes | mmap) -> set[int]:
    """Numbers of 5 to 10 digits that could be participants' ids.

    Digits within a hash, decimals after a point and the sizes in DVC's files are not ids: among millions of those, some
    equal an id by chance.
    """
    return {int(match[0]) for match in _TOKEN.finditer(content) if _is_number(content, match.start(), match.end())}


def _is_number(content: bytes | mmap, start: int, end: int) -> bool:
    before = bytes(content[max(0, start - 64) : start])
    if before[-1:].isdigit() or before.endswith(_NEVER) or (before[-1:] == b"." and before[-2:-1].isdigit()):
        return False
    after = bytes(content[end : end + 64])
    left, right = _HEX_LEFT.search(before), _HEX_RIGHT.match(after)
    beside = (left[0] if left else b"") + (right[0] if right else b"")
    return len(beside) + end - start < _HASH_DIGITS


def redact(text: str, select: Select) -> str:
    """Replace ids of withdrawn participants by ``<id>``."""
    return re.sub(r"[0-9]+", lambda match: "<id>" if select([int(match[0])]) else match[0], text)


def withdrawn_rows(table: pa.Table, select: Select) -> pa.Array:
    """Mark the rows of withdrawn participants: by ``eid``, and by an id in ``path`` where ``eid`` is null."""
    eids = table.column("eid").combine_chunks()
    withdrawn = select(set(eids.drop_null().to_pylist()))
    mask = pc.is_in(eids, value_set=pa.array(sorted(withdrawn), eids.type))
    if "path" not in table.column_names or not eids.null_count:
        return mask
    nameless = pc.is_null(eids)
    paths = table.column("path").to_pylist()
    named = [
        bool(unknown and path and select(ids_in(path.encode())))
        for unknown, path in zip(nameless.to_pylist(), paths, strict=True)
    ]
    return pc.or_(mask, pa.array(named, pa.bool_()))


def count_withdrawn(source: object, select: Select) -> dict[str, int]:
    """Count the rows of a Parquet file and those of withdrawn participants; reads the key columns only."""
    with pq.ParquetFile(source) as file:
        names = [name for name in ("eid", "path") if name in file.schema_arrow.names]
        if "eid" not in names:
            return {"rows": file.metadata.num_rows, "withdrawn": 0}
        table = file.read(columns=names)
    return {"rows": table.num_rows, "withdrawn": int(pc.sum(withdrawn_rows(table, select)).as_py() or 0)}


def remaining_rows(file: Path, select: Select) -> pa.Table | None:
    """Rows of all other participants in a Parquet file, in their order; None if it holds no other rows."""
    rows = pq.read_table(file)
    mask = withdrawn_rows(rows, select)
    return rows.filter(pc.invert(mask)) if pc.any(mask).as_py() else None
