"""Parquet tables under data/: what is versioned. Reading needs pyarrow only, so a training node can do it.

::

    data/tables/
      recordings/part-00042.parquet    one per shard of the modality's arrays
      cines/part-00007.parquet
      quarantine/*.parquet
      <table>.parquet                  every other table
"""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eccl.data.files import TEMPORARY_PREFIX, atomic_path, sha256_file
from eccl.errors import ChecksumError, WorkspaceError
from eccl.modalities import MODALITIES, SLOT_TABLES

PARTED = (*SLOT_TABLES, "quarantine")
"""Tables with one file per shard."""

RENAMED_COLUMNS = {"analysis": "software_version"}
"""Columns of older files, as stored -> as named now; renamed on reading."""


def part_path(data: Path, table: str, shard: int) -> Path:
    """Path of the part that commits one shard's rows."""
    return data / "tables" / table / f"part-{shard:05d}.parquet"


def table_files(data: Path, table: str) -> list[Path]:
    """Parquet files of a table, in order; empty if there are none."""
    if table in PARTED:
        files = sorted((data / "tables" / table).glob("*.parquet"))
        return [file for file in files if not file.name.startswith(TEMPORARY_PREFIX)]
    file = data / "tables" / f"{table}.parquet"
    return [file] if file.is_file() else []


def read_table(data: Path, table: str, columns: list[str] | None = None) -> pa.Table:
    """Read one table of a cohort.

    Of a modality's table only current rows are returned: one per visit, the one with the highest slot. Of
    quarantine, if all columns are read, files that a later file of the same visit replaced are skipped.

    Raises
    ------
    WorkspaceError
        The table has no file yet.
    """
    files = table_files(data, table)
    if not files:
        raise WorkspaceError(
            f"table {table} has no file under {data / 'tables'}; run `eccl ingest RAW`, or `dvc pull` for a recorded version"
        )
    wanted = columns
    if columns is not None and table in SLOT_TABLES:
        wanted = list(dict.fromkeys([*columns, "eid", "instance", "row"]))
    whole = read_files(files, wanted)
    if table in SLOT_TABLES:
        whole = current_rows(whole)
    if table == "quarantine" and columns is None:
        whole = open_quarantine(data, whole)
    return whole if columns is None else whole.select(columns)


def read_files(files: list[Path], columns: list[str] | None = None) -> pa.Table:
    """Read Parquet files with one schema as one table, in their order.

    Raises
    ------
    pyarrow.ArrowInvalid
        Their schemas differ.
    ChecksumError
        One of them is damaged.
    """

    # pyarrow reads the columns that a file has, so both names can be given.
    stored = columns and [*columns, *(old for old, new in RENAMED_COLUMNS.items() if new in columns)]

    def read(file: Path) -> pa.Table:
        try:
            found = pq.ParquetFile(file).read(stored, use_threads=False)
            found = found.rename_columns([RENAMED_COLUMNS.get(name, name) for name in found.column_names])
            return found if columns is None else found.select([name for name in columns if name in found.column_names])
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise ChecksumError(
                f"{'/'.join(file.parts[file.parts.index('tables') :])} cannot be read ({type(error).__name__}); restore it with "
                "`dvc checkout data.dvc`, or delete it and run `eccl ingest RAW`, which writes it again from the raw files"
            ) from None

    if len(files) == 1:
        return read(files[0])
    # A cohort has hundreds of small parts: opening them is what takes the time.
    with ThreadPoolExecutor(4) as readers:
        return pa.concat_tables(list(readers.map(read, files)))


def current_rows(table: pa.Table) -> pa.Table:
    """Keep, of several rows of one visit, the one with the highest slot; sorted by slot."""
    latest = table.group_by(["eid", "instance"]).aggregate([("row", "max")]).column("row_max")
    return table.filter(pc.is_in(table.column("row"), value_set=latest.combine_chunks())).sort_by("row")


def open_quarantine(data: Path, quarantined: pa.Table) -> pa.Table:
    """Keep the quarantined files that no later slot of the visit superseded; rows without a slot are always kept."""
    latest: dict[tuple[str, int, int], int] = {}
    for modality in MODALITIES:
        if table_files(data, modality.table):
            rows = read_table(data, modality.table, ["eid", "instance", "row"])
            rows = rows.filter(pc.is_in(rows.column("eid"), value_set=quarantined.column("eid").combine_chunks()))
            latest |= {(modality.kind, row["eid"], row["instance"]): row["row"] for row in rows.to_pylist()}
    keys = quarantined.select(["kind", "eid", "instance", "row"]).to_pylist()
    visits = [(key["kind"], key["eid"], key["instance"]) for key in keys]
    for visit, key in zip(visits, keys, strict=True):
        if key["row"] is not None:
            latest[visit] = max(latest.get(visit, -1), key["row"])
    is_open = [key["row"] is None or latest[visit] == key["row"] for visit, key in zip(visits, keys, strict=True)]
    return quarantined.filter(pa.array(is_open, pa.bool_()))


def parquet_bytes(table: pa.Table) -> bytes:
    """Content of a table's Parquet file; equal tables have equal bytes."""
    stream = io.BytesIO()
    _write(table, stream)
    return stream.getvalue()


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table atomically, with deterministic bytes."""
    with atomic_path(path) as temporary:
        _write(table, temporary)


def _write(table: pa.Table, target: Path | io.BytesIO) -> None:
    plain = table.replace_schema_metadata(None)
    pq.write_table(plain, target, compression="zstd", row_group_size=65536, store_schema=True)


def data_version(data: Path) -> str:
    """Content id of data/: 16 hex digits over every table file.

    The tables hold the checksum of every array slot, so equal ids mean equal data.
    """
    tables = data / "tables"
    files = sorted(file for file in tables.rglob("*.parquet") if not file.name.startswith(TEMPORARY_PREFIX))
    if not files:
        raise WorkspaceError(f"no tables under {tables}; run `eccl ingest RAW`, or `dvc pull` for a recorded version")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(tables).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()[:16]
