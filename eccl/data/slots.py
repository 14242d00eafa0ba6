"""Which table says what the slots of which array hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slots:
    """One modality: its table, and its arrays with the column that holds their checksums."""

    kind: str
    table: str
    arrays: Mapping[str, str]


SLOTS = (
    Slots("ecg", "recordings", {"ecg.zarr/raw": "raw_sha256", "ecg.zarr/clean": "clean_sha256"}),
    Slots("cine", "cines", {"cine.zarr/frames": "frames_sha256"}),
)
CHECKSUM_OF_ARRAY = {array: (slots.table, column) for slots in SLOTS for array, column in slots.arrays.items()}
"""Table and column that say what a slot of an array must read back to."""
