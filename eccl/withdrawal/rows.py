"""Whose rows of a table, and the ids that texts hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from mmap import mmap

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Select = Callable[[Iterable[int]], AbstractSet[int]]
"""Tells which of some numbers are withdrawn participants."""

# What stands before a number is looked at afterwards: a look-behind would cost three quarters of the rate.
_TOKEN = re.compile(rb"[1-9][0-9]{4,9}(?![0-9])")
_HEX_LEFT, _HEX_RIGHT = re.compile(rb"[0-9a-f]*\Z"), re.compile(rb"[0-9a-f]*")
_NEVER = (b"size: ", b'"size": ')
_HASH_DIGITS = 16


def ids_in(content: bytes | mmap) -> set[int]:
    """Numbers of 5 to 10 digits that could be participants' ids.

    Digits within a hash, decimals after a point and the sizes that DVC notes are none: among millions of those, some
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


def redact(text: str, eids: Collection[int]) -> str:
    """Replace ids by ``<id>``."""
    return re.sub(r"[0-9]+", lambda match: "<id>" if int(match[0]) in eids else match[0], text)


def theirs(table: pa.Table, select: Select) -> pa.Array:
    """Mark the rows of withdrawn participants: by ``eid``, and where that is unknown, by an id in ``path``."""
    eids = table.column("eid").combine_chunks()
    gone = select(set(eids.drop_null().to_pylist()))
    mask = pc.is_in(eids, value_set=pa.array(sorted(gone), eids.type))
    if "path" not in table.column_names or not eids.null_count:
        return mask
    nameless = pc.is_null(eids)
    paths = table.column("path").to_pylist()
    named = [
        bool(unknown and path and select(ids_in(path.encode())))
        for unknown, path in zip(nameless.to_pylist(), paths, strict=True)
    ]
    return pc.or_(mask, pa.array(named, pa.bool_()))


def key_columns(names: Collection[str]) -> list[str]:
    """Columns that tell whose row it is."""
    return [name for name in ("eid", "path") if name in names]


def count_theirs(source: object, select: Select) -> dict[str, int]:
    """Rows of a Parquet file, and how many of them are withdrawn participants'; only their keys are read."""
    with pq.ParquetFile(source) as file:
        names = key_columns(file.schema_arrow.names)
        if "eid" not in names:
            return {"rows": file.metadata.num_rows, "theirs": 0}
        table = file.read(columns=names)
    return {"rows": table.num_rows, "theirs": int(pc.sum(theirs(table, select)).as_py() or 0)}


def without(table: pa.Table, select: Select) -> pa.Table:
    """The other rows, in their order."""
    return table.filter(pc.invert(theirs(table, select)))
