"""Visits with a recording or a cine, their slots and their splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from eccl.data.parts import read_table
from eccl.errors import SchemaError
from eccl.modalities import CINE, ECG, Modality

Int = NDArray[np.int64]
_BOX = ["box_top", "box_left", "box_bottom", "box_right"]
_SPACING = ["spacing_row_mm", "spacing_column_mm"]


@dataclass(frozen=True, slots=True)
class Visits:
    """Keys of visits in the order of an array, ascending by (eid, instance).

    Parameters
    ----------
    eid, instance, row
        (n,) int64; `row` is the slot of the modality's array.
    split
        (n,) text: train, val or test.
    """

    eid: Int
    instance: Int
    split: NDArray[np.str_]
    row: Int

    def __len__(self) -> int:
        return len(self.eid)

    def select(self, split: str, instances: Iterable[int]) -> Int:
        """Positions of a split's visits at the given instances."""
        return np.flatnonzero((self.split == split) & np.isin(self.instance, list(instances)))

    def take(self, positions: Int) -> Visits:
        """Some of the visits; ascending positions keep the order by key."""
        return Visits(self.eid[positions], self.instance[positions], self.split[positions], self.row[positions])

    def find(self, eid: NDArray[Any], instance: NDArray[Any]) -> Int:
        """Positions of keys; -1 for a key that is not here."""
        if not len(self):
            return np.full(len(eid), -1, dtype=np.int64)
        mine = _key(self.eid, self.instance)
        wanted = _key(np.asarray(eid), np.asarray(instance))
        place = np.searchsorted(mine, wanted).clip(max=len(mine) - 1)
        return np.where(mine[place] == wanted, place, -1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class CineGeometry:
    """Position of the heart in the stored windows.

    Parameters
    ----------
    box
        (n, 4) float32: top, left, bottom, right in window pixels, the last two one past the end.
    spacing
        (n, 2) float32: millimetres between rows and between columns.
    """

    box: Tensor
    spacing: Tensor

    def at(self, positions: Int, device: torch.device) -> CineGeometry:
        """Geometry of some cines, on a device."""
        index = torch.from_numpy(positions)
        return CineGeometry(self.box[index].to(device), self.spacing[index].to(device))


def visits_of(data: Path, modality: Modality) -> Visits:
    """Visits with a current slot of a modality, all splits and instances."""
    return _visits(data, read_table(data, modality.table, ["eid", "instance", "row"]))[0]


def recording_visits(data: Path) -> Visits:
    """Visits with a recording, all splits and instances."""
    return visits_of(data, ECG)


def cine_visits(data: Path) -> tuple[Visits, CineGeometry]:
    """Visits with a cine, all splits and instances, and their heart boxes."""
    table = read_table(data, CINE.table, ["eid", "instance", "row", *_BOX, *_SPACING])
    visits, order = _visits(data, table)
    return visits, CineGeometry(_columns(table, _BOX, order), _columns(table, _SPACING, order))


def paired_visits(data: Path, recordings: Visits, cines: Visits) -> tuple[Int, Int]:
    """Positions of every pair in the recordings and in the cines.

    Raises
    ------
    SchemaError
        A pair's recording or cine is not there.
    """
    table = read_table(data, "pairs", ["eid", "instance"]).sort_by([("eid", "ascending"), ("instance", "ascending")])
    eid, instance = table.column("eid").to_numpy(), table.column("instance").to_numpy()
    ecg, cmr = recordings.find(eid, instance), cines.find(eid, instance)
    absent = int(((ecg < 0) | (cmr < 0)).sum())
    if absent:
        raise SchemaError(
            f"{absent} of {len(table)} pairs lack a recording or cine; expected none; run `eccl ingest RAW` again"
        )
    return ecg, cmr


def _visits(data: Path, table: pa.Table) -> tuple[Visits, Int]:
    splits = read_table(data, "splits", ["eid", "split"])
    split_of = dict(zip(splits.column("eid").to_pylist(), splits.column("split").to_pylist(), strict=True))
    eid = table.column("eid").to_numpy().astype(np.int64)
    instance = table.column("instance").to_numpy().astype(np.int64)
    without = sum(one not in split_of for one in eid.tolist())
    if without:
        raise SchemaError(f"{without} of {len(eid)} visits have no split; expected none. Run `eccl ingest RAW` again")
    order = np.argsort(_key(eid, instance), kind="stable")
    split = np.array([split_of[one] for one in eid.tolist()], dtype=np.str_)
    row = table.column("row").to_numpy().astype(np.int64)
    return Visits(eid[order], instance[order], split[order], row[order]), order


def _key(eid: NDArray[Any], instance: NDArray[Any]) -> Int:
    return eid.astype(np.int64) * 16 + instance.astype(np.int64)


def _columns(table: pa.Table, names: list[str], order: Int) -> Tensor:
    values = np.stack([table.column(name).to_numpy().astype(np.float32) for name in names], axis=1)
    return torch.from_numpy(values[order])
