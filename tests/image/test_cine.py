"""What is stored of a stack, and the numbers beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from eccl.errors import Reason, Rejected
from eccl.image.cine import CineOptions, prepare_cine
from eccl.image.heart_box import HeartBox
from eccl.image.segmentation import LV_CAVITY, Segmentation
from eccl.image.window import contrast, motion_fraction, sharpness
from tests.image.heart_phantom import Thorax, draw

THORAX = Thorax(frames=20, noise=0.02)
FRAMES, HEART = draw(THORAX)
STACK = [np.clip(np.rint(FRAMES + 3 * z), 0, 4095).astype(np.uint16) for z in range(5)]


def reader(asked: list[int], broken: tuple[int, ...] = ()) -> Callable[[int], NDArray[np.uint16]]:
    def read(index: int) -> NDArray[np.uint16]:
        asked.append(index)
        if index in broken:
            raise Rejected(Reason.CINE_PIXELS_UNDECODABLE, "none of 20 frames")
        return STACK[index]

    return read


def segment(slices: int = 5, matrix: tuple[int, int] = THORAX.matrix) -> Segmentation:
    labels = np.zeros((slices, 20, *matrix), dtype=np.uint8)
    labels[1:4, :, 60:130, 70:150] = LV_CAVITY
    return Segmentation(labels)


def test_motion_box_reads_three_slices() -> None:
    asked: list[int] = []
    cine = prepare_cine(reader(asked), 5, THORAX.spacing)
    assert sorted(asked) == [1, 2, 3]
    assert (cine.frames.shape, cine.frames.dtype) == ((50, 112, 112), np.uint8)
    assert (cine.mid_slice, cine.slice_rule) == (2, "index_half")
    assert (cine.native_frames, cine.is_resampled) == (20, True)
    assert cine.box.source == "motion"
    assert cine.flags == ()
    inside = cine.box.shifted(cine.window_top, cine.window_left).cut(HEART[None])
    assert inside.sum() / HEART.sum() > 0.99


def test_coincident_frames_come_back_within_half_a_grey_level() -> None:
    cine = prepare_cine(reader([]), 5, THORAX.spacing)
    step = (cine.intensity_high - cine.intensity_low) / 255
    rows = slice(cine.window_top, cine.window_top + 112)
    columns = slice(cine.window_left, cine.window_left + 112)
    assert cine.window_top >= 0
    assert cine.window_left >= 0
    for k in range(0, 50, 5):
        values = cine.intensity_low + cine.frames[k] * step
        assert np.abs(values - STACK[2][k * 2 // 5, rows, columns]).max() <= step / 2 + 1e-9


def test_fifty_frames_are_not_resampled() -> None:
    frames = draw(replace(THORAX, frames=50))[0]
    cine = prepare_cine(lambda index: frames, 3, THORAX.spacing)
    assert (cine.native_frames, cine.is_resampled) == (50, False)


def test_segmentation_chooses_slice_and_box_and_reads_one_slice() -> None:
    asked: list[int] = []
    cine = prepare_cine(reader(asked), 5, THORAX.spacing, segmentation=segment())
    assert asked == [2]
    assert cine.slice_rule == "lv_centroid"
    assert cine.box.shifted(cine.window_top, cine.window_left) == HeartBox(60, 70, 130, 150, 1.0, "segmentation")
    assert cine.box.source == "segmentation"


@pytest.mark.parametrize("unfit", [segment(slices=6), segment(matrix=(50, 60))])
def test_segmentation_of_another_stack_is_not_used(unfit: Segmentation) -> None:
    cine = prepare_cine(reader([]), 5, THORAX.spacing, segmentation=unfit)
    assert (cine.slice_rule, cine.box.source) == ("index_half", "motion")
    assert cine.flags == ("segmentation_unfit",)


def test_box_options() -> None:
    by_motion = prepare_cine(reader([]), 5, THORAX.spacing, CineOptions(box="motion"), segment())
    assert (by_motion.slice_rule, by_motion.box.source) == ("lv_centroid", "motion")
    absent = prepare_cine(reader([]), 5, THORAX.spacing, CineOptions(box="segmentation"))
    assert (absent.box.source, absent.flags) == ("motion", ("segmentation_missing",))
    blank = Segmentation(np.zeros_like(segment().labels))
    assert prepare_cine(reader([]), 5, THORAX.spacing, segmentation=blank).flags == ("segmentation_empty",)


def test_square_crop_is_eighty_pixels_on_the_same_centre() -> None:
    cine = prepare_cine(reader([]), 5, THORAX.spacing, CineOptions(crop="square80"), segment())
    assert (cine.box.height, cine.box.width) == (80, 80)
    assert cine.box.centre == (56, 56)


def test_heart_larger_than_the_window_is_flagged() -> None:
    cine = prepare_cine(reader([]), 5, THORAX.spacing, CineOptions(window_px=64, frames=20), segment())
    assert cine.flags == ("box_exceeds_window",)
    assert (cine.box.top, cine.box.left, cine.box.bottom, cine.box.right) == (0, 0, 64, 64)


def test_window_beyond_the_image_is_padded() -> None:
    cut = [frames[:, 50:140, 60:160] for frames in STACK]
    cine = prepare_cine(lambda index: cut[index], 5, THORAX.spacing)
    assert cine.window_top < 0
    assert cine.frames[:, 0].max() == 0
    assert cine.intensity_low == 0


def test_broken_neighbour_is_done_without_and_broken_slice_is_not() -> None:
    assert prepare_cine(reader([], broken=(1,)), 5, THORAX.spacing).flags == ("neighbour_unreadable",)
    with pytest.raises(Rejected) as caught:
        prepare_cine(reader([], broken=(2,)), 5, THORAX.spacing)
    assert caught.value.reason is Reason.CINE_PIXELS_UNDECODABLE


def test_still_and_constant_cines() -> None:
    still = np.repeat(STACK[0][:1], 20, axis=0)
    cine = prepare_cine(lambda index: still, 3, THORAX.spacing)
    assert (cine.flags, cine.box.confidence, cine.motion_fraction) == (("no_motion",), 0.0, 0.0)
    with pytest.raises(Rejected) as caught:
        prepare_cine(lambda index: np.full((20, 90, 90), 5, np.int16), 3, THORAX.spacing)
    assert caught.value.reason is Reason.CINE_CONSTANT


def test_quality_numbers_have_their_documented_values() -> None:
    box = HeartBox(2, 2, 6, 6, 1.0, "motion")
    window = np.zeros((4, 8, 8))
    window[::2, 3, 3] = 10  # inside
    assert motion_fraction(window, box) == 1
    window[::2, 0, 0] = 10  # as much outside
    assert motion_fraction(window, box) == pytest.approx(0.5)
    ramp = np.broadcast_to(np.arange(8.0) * 5, (4, 8, 8))
    assert contrast(ramp, box) == pytest.approx((25 - 10) / (25 + 10))
    assert sharpness(ramp, box) == pytest.approx(5 / 15)
    assert contrast(np.zeros((4, 8, 8)), box) == 0
    assert sharpness(np.ones((4, 8, 8)), box) == 0
    assert motion_fraction(np.ones((4, 8, 8)), box) == 0


def test_blur_lowers_sharpness() -> None:
    box = HeartBox(4, 4, 60, 60, 1.0, "motion")
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(4, 64, 64)), (0, 1, 1))
    assert sharpness(ndimage.gaussian_filter(texture, (0, 2, 2)), box) < 0.7 * sharpness(texture, box)
