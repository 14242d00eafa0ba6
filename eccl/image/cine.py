"""From a short-axis stack to what is stored of it: one slice, one window, one cycle of equal length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eccl.errors import Reason, Rejected
from eccl.image.heart_box import HeartBox, box_from_mask, box_from_motion, square_box
from eccl.image.mid_slice import MidSlice, SliceRule, choose_mid_slice
from eccl.image.segmentation import Segmentation
from eccl.image.window import contrast, cut_window, motion_fraction, resample_periodic, sharpness, to_uint8

SQUARE_PX = 80  # the fixed crop of the authors' released preprocessing

ReadSlice = Callable[[int], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class CineOptions:
    """Options of ``cine:`` in params.yaml, which validates them.

    `frames` per cycle after resampling; `window_px` side of the stored window; `mid_slice` auto or a rule of
    `eccl.image.mid_slice`; `box` auto (segmentation where there is one, else motion), segmentation or motion; `crop`
    bbox (the heart's rectangle) or square80 (a fixed square on its centre).
    """

    frames: int = 50
    window_px: int = 112
    mid_slice: Literal["auto"] | SliceRule = "auto"
    box: Literal["auto", "segmentation", "motion"] = "auto"
    crop: Literal["bbox", "square80"] = "bbox"


@dataclass(frozen=True, slots=True)
class PreparedCine:
    """One slot of data/cine.zarr and the numbers that table `cines` holds about it.

    `frames` is (frames, window_px, window_px) uint8; value = intensity_low + code * (intensity_high - intensity_low) /
    255. `box` is in window pixels inside the window; `window_top` and `window_left` place the window in the
    full image. Flags: ``segmentation_unfit`` (other slices or matrix than the study; not used), ``segmentation_empty``
    (nothing on the stored slice), ``segmentation_missing`` (``box: segmentation`` was set; motion was used),
    ``box_exceeds_window``, ``no_motion`` (a still image), ``neighbour_unreadable``.
    """

    frames: NDArray[np.uint8]
    mid_slice: int
    slice_rule: SliceRule
    native_frames: int
    is_resampled: bool
    window_top: int
    window_left: int
    box: HeartBox
    intensity_low: float
    intensity_high: float
    motion_fraction: float
    contrast: float
    sharpness: float
    flags: tuple[str, ...]


def prepare_cine(
    read_slice: ReadSlice,
    slice_count: int,
    spacing_mm: tuple[float, float],
    options: CineOptions = CineOptions(),
    segmentation: Segmentation | None = None,
) -> PreparedCine:
    """Choose the slice, find the heart, cut the window, resample the cycle, store 256 grey levels.

    Only the stored slice is read, and its two neighbours where the heart is found by motion.

    Parameters
    ----------
    read_slice
        Gives the (t, y, x) frames of a slice by index; slice 0 is the base.
    slice_count
        Slices in the stack.
    spacing_mm
        Distance between rows and between columns.
    options
        ``cine:`` of params.yaml.
    segmentation
        Labels of the whole stack, or None.

    Raises
    ------
    Rejected
        ``cine_constant`` where the stored window shows one value only, ``cine_too_few_slices`` where there is none,
        and whatever `read_slice` raises for the stored slice.
    """
    if slice_count < 1:
        raise Rejected(Reason.CINE_TOO_FEW_SLICES, "0 slices, at least 1 expected")
    flags: set[str] = set()
    # A segmentation of another stack must not choose the slice; its matrix can only be checked on the slice it chose.
    if segmentation is not None and len(segmentation.labels) != slice_count:
        segmentation = None
        flags.add("segmentation_unfit")
    chosen = choose_mid_slice(options.mid_slice, slice_count, segmentation)
    native = read_slice(chosen.index)
    if segmentation is not None and not segmentation.fits(slice_count, (native.shape[1], native.shape[2])):
        segmentation = None
        flags.add("segmentation_unfit")
        other = choose_mid_slice(options.mid_slice, slice_count, None)
        native = native if other.index == chosen.index else read_slice(other.index)
        chosen = other
    if native.size == 0 or native.min() == native.max():
        raise Rejected(Reason.CINE_CONSTANT, "the stored slice shows one value only; expected an image")
    box = _find_heart(native, chosen.index, slice_count, read_slice, spacing_mm, options, segmentation, flags)
    if options.crop == "square80":
        box = square_box(box, SQUARE_PX)
    return _store(native, chosen, box, options, flags)


def _find_heart(
    native: NDArray[Any],
    index: int,
    slice_count: int,
    read_slice: ReadSlice,
    spacing_mm: tuple[float, float],
    options: CineOptions,
    segmentation: Segmentation | None,
    flags: set[str],
) -> HeartBox:
    if segmentation is not None and options.box != "motion":
        box = box_from_mask(segmentation.labels[index])
        if box is not None:
            return box
        flags.add("segmentation_empty")
    elif options.box == "segmentation":
        flags.add("segmentation_missing")
    stack = [native]
    for neighbour in (index - 1, index + 1):
        if 0 <= neighbour < slice_count:
            try:
                stack.append(read_slice(neighbour))
            except Rejected:  # the stored slice is whole; it alone can show the motion
                flags.add("neighbour_unreadable")
    if not np.ptp(native, axis=0).any():
        flags.add("no_motion")
    return box_from_motion([frames for frames in stack if frames.shape[1:] == native.shape[1:]], spacing_mm)


def _store(
    native: NDArray[Any], chosen: MidSlice, box: HeartBox, options: CineOptions, flags: set[str]
) -> PreparedCine:
    cut, top, left = cut_window(native, box.centre, options.window_px)
    window = resample_periodic(cut, options.frames)
    codes, low, high = to_uint8(window)
    moved = box.shifted(-top, -left)
    inside = moved.clipped(options.window_px, options.window_px)
    if inside != moved:
        flags.add("box_exceeds_window")
    return PreparedCine(
        frames=codes,
        mid_slice=chosen.index,
        slice_rule=chosen.rule,
        native_frames=len(native),
        is_resampled=len(native) != options.frames,
        window_top=top,
        window_left=left,
        box=inside,
        intensity_low=low,
        intensity_high=high,
        motion_fraction=motion_fraction(window, inside),
        contrast=contrast(window, inside),
        sharpness=sharpness(window, inside),
        flags=tuple(sorted(flags)),
    )
