"""Zarr v3 arrays: whole shards are written, single records are read. An inner chunk is one record, a shard one batch of work.

zarr-python writes (its bytes are deterministic), tensorstore reads (16 times zarr-python's rate on the same files). A
shard does not depend on its position in the array, so it is written to a temporary path and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.data.files import atomic_path, replace_file, temporary_prefix
from eccl.errors import ChecksumError, ConfigError


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Path, record shape and type of one array.

    Parameters
    ----------
    name
        Path below data/, e.g. ``ecg.zarr/raw``.
    record_shape, dtype
        Shape and type of one record.
    shard_rows
        Records per shard.
    attributes
        Written into the array's metadata; never anything about a participant.
    """

    name: str
    record_shape: tuple[int, ...]
    dtype: str
    shard_rows: int
    attributes: Mapping[str, Any]

    def shard_path(self, data: Path, shard: int) -> Path:
        """Path of one shard's file."""
        return data.joinpath(self.name, "c", str(shard), *("0" for _ in self.record_shape))


def prepare_array(data: Path, spec: ArraySpec, shards: int) -> None:
    """Create the array's metadata, or widen it to hold `shards` shards.

    Called once before workers start; workers never touch metadata.

    Raises
    ------
    ConfigError
        The array exists with another layout or was made with other parameters.
    """
    target = data / spec.name / "zarr.json"
    found = _read_metadata(target, spec.name) if target.is_file() else None
    if found is not None:
        shards = max(shards, found["shape"][0] // spec.shard_rows)
    wanted = _metadata(data, spec, shards)
    if found is not None and found | {"shape": None} != json.loads(wanted) | {"shape": None}:
        raise ConfigError(
            f"{spec.name} was made with other parameters than params.yaml now has; restore the old values of `ingest:` "
            "and `cine:`, or move data/ away and ingest again"
        )
    group = target.parent.parent / "zarr.json"
    replace_file(group, b'{\n  "attributes": {},\n  "zarr_format": 3,\n  "node_type": "group"\n}')
    replace_file(target, wanted)


def mend_metadata(data: Path, spec: ArraySpec, shards: int) -> None:
    """Rewrite an array's metadata if it is missing or not valid JSON; records stay unchanged."""
    target = data / spec.name / "zarr.json"
    try:
        _read_metadata(target, spec.name)
    except (FileNotFoundError, ChecksumError):
        target.unlink(missing_ok=True)
        prepare_array(data, spec, shards)


def write_shard(data: Path, spec: ArraySpec, shard: int, records: Mapping[int, NDArray[Any]]) -> None:
    """Write one whole shard atomically.

    Parameters
    ----------
    records
        Record by slot; every slot must be in this shard. Slots without a record stay empty.
    """
    first = shard * spec.shard_rows
    block = np.zeros((spec.shard_rows, *spec.record_shape), dtype=spec.dtype)
    for row, record in records.items():
        if not first <= row < first + spec.shard_rows or record.shape != spec.record_shape:
            raise ConfigError(
                f"a record of shape {record.shape} at offset {row - first} does not fit shard {shard} of {spec.name} "
                f"({spec.shard_rows} x {spec.record_shape}); the plan and the array disagree, ingest again"
            )
        block[row - first] = record
    target = spec.shard_path(data, shard)
    scratch = data / f"{temporary_prefix()}-shard.zarr"
    try:
        _create(scratch, spec, 1)[:] = block
        written = scratch.joinpath("c", "0", *("0" for _ in spec.record_shape))
        if written.is_file():
            with atomic_path(target) as temporary:
                os.replace(written, temporary)
        else:  # zarr stores nothing for a shard of fill values
            target.unlink(missing_ok=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_rows(data: Path, name: str, rows: NDArray[np.integer[Any]] | Sequence[int]) -> NDArray[Any]:
    """Read records by slot.

    Parameters
    ----------
    name
        Array below data/, e.g. ``ecg.zarr/clean``.
    rows
        Slots, in any order.

    Returns
    -------
    ndarray
        (len(rows), ...) in the order of `rows`.
    """
    array = open_array(data, name)
    index = np.asarray(rows, dtype=np.int64)
    if index.size == 0:
        return np.empty((0, *array.record_shape), dtype=array.dtype)
    return np.asarray(array.read(index).result())


@dataclass(frozen=True, slots=True)
class OpenArray:
    """An array opened for reading.

    Parameters
    ----------
    record_shape, dtype
        Shape and type of one record.
    rows, shard_rows
        Records of the whole array, and per shard.
    """

    record_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: int
    shard_rows: int
    _handle: Any

    def read(self, rows: NDArray[np.integer[Any]]) -> Any:
        """Begin to read records by slot; returns a future whose ``result()`` is (len(rows), ...)."""
        return self._handle[rows].read()


def open_array(data: Path, name: str) -> OpenArray:
    """Open an array below data/ for reading."""
    # Imported late: tensorstore aborts in a forked worker once its parent has used it.
    import tensorstore as ts

    path = str(data / name)
    handle = ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}, read=True).result()
    shard: Any = handle.chunk_layout.write_chunk.shape
    return OpenArray(tuple(handle.shape[1:]), handle.dtype.numpy_dtype, int(handle.shape[0]), int(shard[0]), handle)


def record_bytes(data: Path, name: str) -> int:
    """Bytes of one record in memory."""
    array = open_array(data, name)
    return int(np.prod(array.record_shape)) * int(array.dtype.itemsize)


def checksum(record: NDArray[Any]) -> str:
    """SHA-256 of one record's bytes (little-endian, C order)."""
    contiguous = np.ascontiguousarray(record, dtype=record.dtype.newbyteorder("<"))
    return hashlib.sha256(contiguous.data).hexdigest()


def verify_rows(data: Path, name: str, rows: Sequence[int], checksums: Sequence[str], *, batch: int = 64) -> list[int]:
    """Read slots back and compare them with their recorded checksums.

    Returns
    -------
    list of int
        Slots that differ; empty if all agree.

    Raises
    ------
    ChecksumError
        A shard cannot be read at all.
    """
    wrong: list[int] = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        try:
            records = read_rows(data, name, some)
        except ValueError as error:
            raise ChecksumError(
                f"a shard of {name} cannot be read ({type(error).__name__}); restore it with `dvc checkout data.dvc`, "
                "or read it again with `eccl ingest RAW --repair`"
            ) from error
        wrong += [
            row
            for row, record, known in zip(some, records, checksums[start:], strict=False)
            if checksum(record) != known
        ]
    return wrong


def find_damaged(data: Path, name: str, rows: Sequence[int], checksums: Sequence[str], *, batch: int = 64) -> list[int]:
    """Find the slots that cannot be read, or differ from their recorded checksum.

    If a batch cannot be read, its slots are read one by one, so that one damaged record does not affect its shard.
    """
    damaged: list[int] = []
    for start in range(0, len(rows), batch):
        some, known = rows[start : start + batch], checksums[start : start + batch]
        try:
            damaged += verify_rows(data, name, some, known, batch=batch)
        except ChecksumError:
            if len(some) == 1:
                damaged += some
            else:
                damaged += find_damaged(data, name, some, known, batch=1)
    return damaged


def read_whole(
    data: Path, name: str, known: Mapping[int, str], *, lost: Collection[int] = ()
) -> dict[int, NDArray[Any]]:
    """Records of a shard that must be rewritten, by slot, checked against their checksums.

    Parameters
    ----------
    known
        Checksum by slot.
    lost
        Slots known to be damaged; they are left out.

    Raises
    ------
    ChecksumError
        Other slots do not read back: rewriting the shard would hide their loss.
    """
    damaged = set(find_damaged(data, name, list(known), list(known.values())))
    if unexpected := damaged.difference(lost):
        raise ChecksumError(
            f"{len(unexpected)} committed slots of {name} do not read back, and their shard must be rewritten; restore it with "
            "`dvc checkout data.dvc` and run the command again (a withdrawal: `eccl withdraw --resume`), or read the raw files "
            "again with `eccl ingest RAW --repair`"
        )
    whole = [row for row in known if row not in damaged]
    return dict(zip(whole, read_rows(data, name, whole), strict=True))


def _read_metadata(path: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if isinstance(found, dict) and "shape" in found:
            return found
    except ValueError:
        pass
    raise ChecksumError(
        f"{name}/zarr.json cannot be read; rewrite it with `eccl ingest RAW --repair`, or restore it with "
        "`dvc checkout data.dvc`"
    )


def _metadata(data: Path, spec: ArraySpec, shards: int) -> bytes:
    scratch = data / f"{temporary_prefix()}-metadata.zarr"
    try:
        _create(scratch, spec, shards)
        return (scratch / "zarr.json").read_bytes()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _create(path: Path, spec: ArraySpec, shards: int) -> Any:
    import zarr
    from zarr.codecs import BloscCodec

    return zarr.create_array(
        store=str(path),
        shape=(shards * spec.shard_rows, *spec.record_shape),
        chunks=(1, *spec.record_shape),
        shards=(spec.shard_rows, *spec.record_shape),
        dtype=spec.dtype,
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        fill_value=0,
        attributes=dict(spec.attributes),
        zarr_format=3,
        overwrite=True,
    )
