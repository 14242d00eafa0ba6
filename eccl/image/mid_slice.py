"""Which slice of the stack is stored.

The paper uses the middle between base and apex; the rules in use differ, so each has a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eccl.errors import ConfigError
from eccl.image.segmentation import LV_CAVITY, RV_CAVITY, Segmentation

SliceRule = Literal["rv_max", "rv_max_released", "lv_centroid", "index_half"]
RULES: tuple[SliceRule, ...] = ("rv_max", "rv_max_released", "lv_centroid", "index_half")


@dataclass(frozen=True, slots=True)
class MidSlice:
    """The chosen slice, counted from the base, and the rule that chose it."""

    index: int
    rule: SliceRule


def index_half(slice_count: int) -> MidSlice:
    """The slice at half the stack; needs no segmentation."""
    return MidSlice(slice_count // 2, "index_half")


def lv_centroid(segmentation: Segmentation) -> MidSlice | None:
    """The middle of the slices that hold LV cavity at end-diastole (frame 0); None where none does."""
    slices = np.flatnonzero(segmentation.areas(LV_CAVITY, 0))
    if slices.size == 0:
        slices = np.flatnonzero((segmentation.labels == LV_CAVITY).any(axis=(1, 2, 3)))
    return MidSlice(int(slices[slices.size // 2]), "lv_centroid") if slices.size else None


def rv_max(segmentation: Segmentation, *, released: bool = False) -> MidSlice | None:
    """The slice with the largest RV cavity at end-systole; None where there is no RV.

    Parameters
    ----------
    segmentation
        Labels of the whole stack.
    released
        Move one slice towards the apex where the result is one of the three most basal slices of five or more, as the
        authors' released preprocessing does.
    """
    areas = segmentation.areas(RV_CAVITY, segmentation.end_systole)
    if not areas.any():
        return None
    index = int(np.argmax(areas))
    if not released:
        return MidSlice(index, "rv_max")
    return MidSlice(index + 1 if index <= 2 and len(areas) >= 5 else index, "rv_max_released")


def choose_mid_slice(
    rule: Literal["auto"] | SliceRule, slice_count: int, segmentation: Segmentation | None
) -> MidSlice:
    """Apply a rule by name; ``auto`` is lv_centroid with a segmentation and index_half without.

    A rule whose structure is absent from the segmentation falls back to index_half, which the result's `rule` records.

    Raises
    ------
    ConfigError
        An unknown rule.
    """
    if rule not in ("auto", *RULES):
        raise ConfigError(f"mid_slice {rule!r}; expected auto or one of {', '.join(RULES)} in params.yaml cine")
    if segmentation is None or rule == "index_half":
        return index_half(slice_count)
    if rule in ("rv_max", "rv_max_released"):
        chosen = rv_max(segmentation, released=rule == "rv_max_released")
    else:
        chosen = lv_centroid(segmentation)
    return chosen or index_half(slice_count)
