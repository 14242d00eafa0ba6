"""Search a workspace for remaining data of withdrawn participants: names, bytes, values, slots.

::

    every file below the workspace     digits of an id in its path or bytes, SHA-256 of a raw file in its bytes
    Parquet, DuckDB                    column eid, and ids and SHA-256 in every text column, because their bytes are compressed
    data/*.zarr                        emptied slots read as zeros; the shards' own bytes hold numbers only
    raw folder, if it was cleaned      paths; bytes of all files but bulk files of other participants

Not searched: git's objects, DVC's cache (see `--purge`), the sample's remote, the journal, withdrawal lists, exported files,
and a raw folder that was not given.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from eccl.data.arrays import read_rows
from eccl.data.database import memory
from eccl.errors import WithdrawalError
from eccl.features.views import quote
from eccl.ledger.exports import list_exports
from eccl.ledger.tombstones import KEY_NAME, journal_path
from eccl.modalities import MODALITIES
from eccl.readers.names import is_withdrawal_list
from eccl.versioning.versions import SAMPLE
from eccl.withdrawal.raw import is_bulk_file, raw_files
from eccl.withdrawal.rows import Select, ids_in, redact
from eccl.withdrawal.stores import opened
from eccl.workspace import Workspace

_SHA256 = re.compile(rb"[0-9a-f]{64}")
_HIDDEN = {".eccl", ".dvc"}
_SLOTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Trace:
    """Remaining data of a participant; ids in the path are replaced."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Number of searched files, and the traces found."""

    files: int
    found: tuple[Trace, ...]


def search(
    workspace: Workspace,
    select: Select,
    *,
    hashes: Collection[str] = (),
    slots: Mapping[str, list[int]] | None = None,
    raw: Path | None = None,
    exclude: Collection[Path] = (),
) -> SearchResult:
    """Search a workspace, and a raw folder that was cleaned, for traces of participants.

    Parameters
    ----------
    select
        Returns the numbers that are ids of these participants.
    hashes
        SHA-256 of their raw files.
    slots
        Emptied slots by modality.
    raw
        Raw folder to search as well.
    exclude
        Files to skip, such as the withdrawal list.
    """
    files = [(base, file) for base, file in _files(workspace, raw) if file.resolve() not in exclude]
    found = [trace for base, file in files for trace in _search_one(base, file, select, frozenset(hashes))]
    for one in MODALITIES:
        for name in one.arrays:
            left = _count_filled(workspace.data, name, (slots or {}).get(one.kind, []))
            found += [Trace(f"data/{name}", f"{left} emptied slots are not zeros")] if left else []
    return SearchResult(len(files), tuple(found))


def _files(workspace: Workspace, raw: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield (base, file) of every file to search."""
    known = {journal_path(workspace), workspace.root / KEY_NAME}
    known |= {Path(export.path) for export in list_exports(workspace)}
    for folder, folders, names in os.walk(workspace.root):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if _is_searched(workspace, here / name, raw))
        for name in sorted(names):
            if here / name not in known and not is_withdrawal_list(name):
                yield workspace.root, here / name
    if raw is not None and raw.is_dir():
        yield from ((raw, file) for file in raw_files(raw) if not is_withdrawal_list(file.name))


def _is_searched(workspace: Workspace, folder: Path, raw: Path | None) -> bool:
    if folder == workspace.root / "raw" or folder == raw:  # the second is walked separately
        return False
    # The sample's remote is read-only and simulated; it does not belong to this workspace.
    if folder in {workspace.root / ".dvc" / "cache", workspace.root / SAMPLE / "remote"}:
        return False
    return not folder.name.startswith(".") or folder.parent != workspace.root or folder.name in _HIDDEN


def _search_one(base: Path, file: Path, select: Select, hashes: frozenset[str]) -> list[Trace]:
    path = file.relative_to(base).as_posix()
    shown = redact(path, select)
    try:
        return list(_search_file(path, shown, file, select, hashes))
    except (OSError, duckdb.Error, WithdrawalError):
        return [Trace(shown, "it cannot be read, so its contents are unknown")]


def _search_file(path: str, shown: str, file: Path, select: Select, hashes: frozenset[str]) -> Iterator[Trace]:
    if select(ids_in(path.encode())):
        yield Trace(shown, "an id in its name")
    if not file.is_file() or _is_shard(path) or (is_bulk_file(file) and not shown.count("<id>")):
        return
    with file.open("rb") as stream:
        is_parquet = stream.read(4) == b"PAR1"
    has_columns = is_parquet or file.suffix == ".duckdb"
    for what in _search_bytes(file, select, frozenset() if has_columns else hashes):
        yield Trace(shown, what)
    if has_columns:
        values = _search_parquet(file, select, hashes) if is_parquet else _search_store(file, select, hashes)
        yield from (Trace(shown, what) for what in values)


def _is_shard(path: str) -> bool:
    return ".zarr/" in path and "/c/" in path


def _search_bytes(file: Path, select: Select, hashes: frozenset[str]) -> Iterator[str]:
    if file.stat().st_size == 0:
        return
    with file.open("rb") as stream, closing(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)) as content:
        if select(ids_in(content)):  # a mapped file is searched as bytes are
            yield "an id among its bytes"
        if hashes and any(match[0].decode() in hashes for match in _SHA256.finditer(content)):
            yield "the SHA-256 of a raw file among its bytes"


def _search_parquet(file: Path, select: Select, hashes: frozenset[str]) -> list[str]:
    with closing(memory()) as connection:
        return list(_search_values(connection, f"read_parquet({quote(str(file))})", select, hashes))


def _search_store(file: Path, select: Select, hashes: frozenset[str]) -> list[str]:
    with opened(file) as connection:
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'old' ORDER BY ALL"
        ).fetchall()
        return [
            f"{what}, table {schema}.{table}"
            for schema, table in tables
            for what in _search_values(connection, f'old."{schema}"."{table}"', select, hashes)
        ]


def _search_values(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    select: Select,
    hashes: frozenset[str],
) -> Iterator[str]:
    columns = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {relation})").fetchall()
    for column, kind in columns:
        if column == "eid" and kind.endswith("INT"):
            values = connection.execute(f"SELECT DISTINCT eid FROM {relation} WHERE eid IS NOT NULL").fetchall()
            if select(value for (value,) in values):
                yield "an id in column eid"
        elif kind == "VARCHAR":
            texts = connection.execute(
                f'SELECT DISTINCT "{column}" FROM {relation} WHERE regexp_matches("{column}", \'[0-9]{{5}}|^[0-9a-f]{{64}}$\')'
            ).fetchall()
            if any(select(ids_in(text.encode())) for (text,) in texts):
                yield f"an id in column {column}"
            if any(text in hashes for (text,) in texts):
                yield f"the SHA-256 of a raw file in column {column}"


def _count_filled(data: Path, name: str, rows: list[int]) -> int:
    filled = 0
    if not (data / name / "zarr.json").is_file():
        return 0
    for start in range(0, len(rows), _SLOTS_AT_ONCE):
        records = read_rows(data, name, rows[start : start + _SLOTS_AT_ONCE])
        filled += int(records.reshape(len(records), -1).any(axis=1).sum())
    return filled
