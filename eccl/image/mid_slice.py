"""Which slice of the stack is stored.

The paper uses the middle between base and apex; the rules in use differ, so each has a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eccl.image.segmentation import LV_CAVITY, RV_CAVITY, Segmentation

SliceRule = Literal["rv_max", "lv_centroid", "index_half"]


@dataclass(frozen=True, slots=True)
class MidSlice:
    """The chosen slice, counted from the base, and the rule that chose it."""

    index: int
    rule: SliceRule


def choose_mid_slice(
    rule: Literal["auto"] | SliceRule, slice_count: int, segmentation: Segmentation | None
) -> MidSlice:
    """Apply a rule by name; ``auto`` is lv_centroid with a segmentation and index_half without.

    ``index_half`` is half the stack; ``lv_centroid`` the middle of the slices that hold LV cavity at end-diastole
    (frame 0), else in any frame; ``rv_max`` the slice with the largest RV cavity at end-systole. A rule whose structure
    is absent from the segmentation falls back to index_half, which the result's `rule` records.
    """
    chosen = None
    if segmentation is not None and rule != "index_half":
        chosen = _rv_max(segmentation) if rule == "rv_max" else _lv_centroid(segmentation)
    return chosen or MidSlice(slice_count // 2, "index_half")


def _lv_centroid(segmentation: Segmentation) -> MidSlice | None:
    slices = np.flatnonzero(segmentation.areas(LV_CAVITY, 0))
    if slices.size == 0:
        slices = np.flatnonzero((segmentation.labels == LV_CAVITY).any(axis=(1, 2, 3)))
    return MidSlice(int(slices[slices.size // 2]), "lv_centroid") if slices.size else None


def _rv_max(segmentation: Segmentation) -> MidSlice | None:
    areas = segmentation.areas(RV_CAVITY, segmentation.end_systole)
    return MidSlice(int(np.argmax(areas)), "rv_max") if areas.any() else None
