"""The modalities: every fact about a kind of raw file that more than one package needs, in one place.

A new modality is one more :class:`Modality` in :data:`MODALITIES`, the DDL of its table (``schemas/tables/<table>.sql``), the
layout of its arrays and the function that reads its files. Ingest, gate, publication and withdrawal read the rest from here.
The standard library only: a training node imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of raw file, its table and its arrays.

    Parameters
    ----------
    kind
        Value of ``quarantine.kind``, ``deletions.modality``, ``slots.modality`` and ``modality`` of a feature view.
    table
        Table with one row per slot; its parts commit the shards.
    arrays
        Column with the SHA-256 of a record, by array below ``data/``.
    model_array
        The array that models read.
    field
        UK Biobank field of the raw files.
    suffixes
        Suffixes that mark a raw file of this kind; the first one is what the file should have.
    size_limit
        Field of ``params.limits`` with the largest size of a raw file in MB.
    layout
        ``module:function`` that takes :class:`eccl.config.Params` and returns the specs of the arrays, in their order.
    reader
        ``module:function`` that takes the parameters and returns the function from a raw file's path to a
        :class:`eccl.ingest.record.Record`; only what reads raw files imports it.
    """

    kind: str
    table: str
    arrays: Mapping[str, str]
    model_array: str
    field: int
    suffixes: tuple[str, ...]
    size_limit: str
    layout: str
    reader: str

    @property
    def model_checksum(self) -> str:
        """Column with the SHA-256 of what models read."""
        return self.arrays[self.model_array]


ECG = Modality(
    kind="ecg",
    table="recordings",
    arrays={"ecg.zarr/raw": "raw_sha256", "ecg.zarr/clean": "clean_sha256"},
    model_array="ecg.zarr/clean",
    field=20205,
    suffixes=(".xml",),
    size_limit="xml_mb",
    layout="eccl.data.layouts:ecg_layout",
    reader="eccl.ingest.ecg:ecg_reader",
)
CINE = Modality(
    kind="cine",
    table="cines",
    arrays={"cine.zarr/frames": "frames_sha256"},
    model_array="cine.zarr/frames",
    field=20209,
    suffixes=(".zip", ".dcm"),
    size_limit="zip_mb",
    layout="eccl.data.layouts:cine_layout",
    reader="eccl.ingest.cine:cine_reader",
)
MODALITIES: tuple[Modality, ...] = (ECG, CINE)
"""All modalities, the one whose files are read fastest first."""

SLOT_TABLES = tuple(one.table for one in MODALITIES)
MODALITY_OF_KIND = {one.kind: one for one in MODALITIES}
MODALITY_OF_TABLE = {one.table: one for one in MODALITIES}
MODALITY_OF_SUFFIX = {suffix: one for one in MODALITIES for suffix in one.suffixes}


def load(name: str) -> Callable[..., Any]:
    """Import the function that a modality names as ``module:function``."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
