"""From raw file to record: what a modality's reader returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from eccl.config import Params
from eccl.data.arrays import ArraySpec
from eccl.data.layouts import array_specs
from eccl.modalities import MODALITIES, Modality, load


@dataclass(frozen=True, slots=True)
class Record:
    """One raw file as numbers: an array per spec of its modality, and its columns of the table."""

    arrays: Mapping[str, NDArray[Any]]
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordReader:
    """A modality under given parameters.

    Parameters
    ----------
    modality
        Table, arrays and raw files.
    specs
        Layout of the arrays; all have the same rows per shard.
    read
        Turns one raw file into a record, or raises :class:`eccl.errors.Rejected`. It crosses to the reader process by pickling.
    """

    modality: Modality
    specs: tuple[ArraySpec, ...]
    read: Callable[[Path], Record]

    @property
    def kind(self) -> str:
        return self.modality.kind

    @property
    def table(self) -> str:
        return self.modality.table

    @property
    def shard_rows(self) -> int:
        return self.specs[0].shard_rows


def record_readers(params: Params) -> tuple[RecordReader, ...]:
    """Readers of all modalities under given parameters, in the order of :data:`eccl.modalities.MODALITIES`."""
    return tuple(record_reader(modality, params) for modality in MODALITIES)


def record_reader(modality: Modality, params: Params) -> RecordReader:
    """Reader of one modality; its module is imported here."""
    return RecordReader(modality, array_specs(modality, params), load(modality.reader)(params))
