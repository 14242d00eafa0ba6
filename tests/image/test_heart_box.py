"""The heart box: from masks, from motion of drawn hearts under nuisances, and from the motion of a real one."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet
from numpy.typing import NDArray
from pydicom import dcmread

from eccl.image.heart_box import (
    MAX_SIDE_MM,
    MIN_SIDE_MM,
    HeartBox,
    box_from_mask,
    box_from_motion,
    motion_amplitude,
    square_box,
)
from tests.image.heart_phantom import Thorax, draw
from tests.support.paths import SUNNYBROOK_SLICES, SUNNYBROOK_STUDY, needs

STUDY = SUNNYBROOK_STUDY if SUNNYBROOK_STUDY.is_file() else SUNNYBROOK_SLICES
SPACING = (1.367188, 1.367188)
CONTOURED = range(2, 11)  # slices with expert contours
MIDDLE = range(4, 9)  # more than the middle half of them
IN_EVERY_CLONE = range(7, 10)

needs_study = needs(SUNNYBROOK_STUDY)


def test_mask_box_is_the_union_over_time() -> None:
    mask = np.zeros((6, 40, 50), dtype=np.uint8)
    for t in range(6):
        mask[t, 10 + t : 20 + t, 15:30] = 1 + t % 3
    mask[2, 2, 2] = 1  # a speck of one frame
    # The opening keeps what three frames share: of an edge that moves a row a frame, two rows at either end are lost.
    assert box_from_mask(mask) == HeartBox(12, 15, 23, 30, 1.0, "segmentation")


def test_mask_box_of_still_mask_is_exact() -> None:
    mask = np.zeros((5, 40, 50), dtype=bool)
    mask[:, 7:20, 9:31] = True
    assert box_from_mask(mask) == HeartBox(7, 9, 20, 31, 1.0, "segmentation")
    assert box_from_mask(mask[:1]) == HeartBox(7, 9, 20, 31, 1.0, "segmentation")


def test_mask_that_opening_erases_is_taken_as_it_is() -> None:
    mask = np.zeros((5, 40, 50), dtype=bool)
    mask[:, 7:9, 9:11] = True
    assert box_from_mask(mask) == HeartBox(7, 9, 9, 11, 0.5, "segmentation")
    assert box_from_mask(np.zeros((5, 40, 50))) is None


def test_square_box_keeps_the_centre() -> None:
    box = square_box(HeartBox(10, 20, 51, 90, 0.4, "motion"))
    assert (box.height, box.width) == (80, 80)
    assert abs(box.centre[0] - 30.5) <= 0.5
    assert abs(box.centre[1] - 55.0) <= 0.5
    assert box.top < 0  # zero-padded there
    assert (box.confidence, box.source) == (0.4, "motion")


def test_box_arithmetic() -> None:
    box = HeartBox(-3, 5, 20, 60, 1.0, "motion")
    assert box.shifted(3, -5) == HeartBox(0, 0, 23, 55, 1.0, "motion")
    assert box.clipped(10, 50) == HeartBox(0, 5, 10, 50, 1.0, "motion")
    assert box.cut(np.ones((2, 30, 40))).shape == (2, 20, 35)
    assert box.shifted(-100, 0).cut(np.ones((2, 30, 40))).size == 0


def test_amplitude_sees_the_beat_and_not_the_drift() -> None:
    t = np.arange(20) / 20
    frames = np.zeros((20, 1, 3))
    frames[:, 0, 0] = 100 + 30 * np.cos(2 * np.pi * t)
    frames[:, 0, 1] = 100 + 30 * t
    amplitude = motion_amplitude(frames)
    assert amplitude[0, 0] == pytest.approx(30, rel=0.02)
    assert amplitude[0, 1] == pytest.approx(0, abs=1e-4)
    assert amplitude[0, 2] == 0
    assert not motion_amplitude(frames[:2]).any()


def test_amplitude_is_free_of_the_noise_floor() -> None:
    noise = np.random.default_rng(0).normal(0, 10, (24, 60, 60))
    raw = 3 * (2 / 24) ** 2 * 24 * 10**2  # expected power of three harmonics of white noise
    assert (motion_amplitude(noise) ** 2).mean() < 0.4 * raw


def assert_sides(box: HeartBox, spacing: tuple[float, float]) -> None:
    for pixels, step in ((box.height, spacing[0]), (box.width, spacing[1])):
        assert MIN_SIDE_MM - step <= pixels * step <= MAX_SIDE_MM + step


def holds(box: HeartBox, heart: NDArray[np.bool_]) -> float:
    """Share of the heart inside the box."""
    return float(box.cut(heart[None]).sum() / heart.sum())


def wall_margin_mm(box: HeartBox, heart: NDArray[np.bool_], spacing: tuple[float, float]) -> float:
    """Smallest distance of the heart's outline from the box's border."""
    rows, columns = np.flatnonzero(heart.any(axis=1)), np.flatnonzero(heart.any(axis=0))
    return float(
        min(
            min(rows[0] - box.top, box.bottom - 1 - rows[-1]) * spacing[0],
            min(columns[0] - box.left, box.right - 1 - columns[-1]) * spacing[1],
        )
    )


BASE = Thorax()
THORAXES = {
    "plain": BASE,
    "left": replace(BASE, heart=(0, -55)),
    "right": replace(BASE, heart=(-10, 65)),
    "high": replace(BASE, heart=(-50, 0)),
    "low": replace(BASE, heart=(55, 30)),
    "rv below": replace(BASE, angle=80),
    "rv above": replace(BASE, angle=290),
    "small": replace(BASE, size=0.8),
    "large": replace(BASE, size=1.2),
    "weak": replace(BASE, contraction=0.1),
    "fine pixels": replace(BASE, spacing=(1.25, 1.25), matrix=(256, 256)),
    "coarse pixels": replace(BASE, spacing=(2.2, 1.8), matrix=(150, 190)),
    "few frames": replace(BASE, frames=12),
    "fifty frames": replace(BASE, frames=50, matrix=(192, 208), spacing=(1.8, 1.8)),
    "noise": replace(BASE, noise=0.05),
    "much noise": replace(BASE, noise=0.12),
    "bright wall": replace(BASE, brightness=3.0, wall_beat=1.0),
    "beating wall": replace(BASE, wall_beat=2.0),
    "drift": replace(BASE, drift=6.0),
    "bright drift": replace(BASE, drift=6.0, brightness=2.5),
    "ghost": replace(BASE, ghost=0.25),
    "vessel": replace(BASE, heart=(-10, 60), angle=60, vessel=(0.0, -30.0)),
    "all at once": replace(BASE, heart=(-15, 45), noise=0.04, wall_beat=1.0, drift=3.0, ghost=0.1, brightness=1.5),
}


@pytest.mark.parametrize("name", THORAXES)
def test_drawn_heart_is_found(name: str) -> None:
    thorax = THORAXES[name]
    frames, heart = draw(thorax)
    box = box_from_motion([frames], thorax.spacing)
    assert holds(box, heart) == 1
    assert wall_margin_mm(box, heart, thorax.spacing) > 5.0
    assert_sides(box, thorax.spacing)
    assert 0 < box.confidence <= 1
    assert box.clipped(*thorax.matrix) == box


def test_neighbours_help_and_may_have_other_frame_counts() -> None:
    stack = [draw(replace(BASE, noise=0.05, size=size, frames=frames, seed=frames))
             for size, frames in ((1.0, 25), (1.1, 30), (0.9, 20))]  # fmt: skip
    box = box_from_motion([frames for frames, _ in stack], BASE.spacing)
    for _, heart in stack:
        assert holds(box, heart) > 0.99


def test_confidence_orders_clear_and_poor_motion() -> None:
    clear, poor = (box_from_motion([draw(replace(BASE, noise=noise))[0]], BASE.spacing) for noise in (0.0, 0.12))
    assert clear.confidence > 0.5
    assert poor.confidence < 0.5 * clear.confidence


def test_no_motion_gives_the_centre_and_no_confidence() -> None:
    still = np.repeat(draw(BASE)[0][:1], 20, axis=0)
    box = box_from_motion([still], BASE.spacing)
    assert box.confidence == 0
    assert box.centre == pytest.approx((BASE.matrix[0] / 2, BASE.matrix[1] / 2), abs=0.5)
    assert_sides(box, BASE.spacing)
    noise = np.random.default_rng(0).normal(size=(20, *BASE.matrix))
    assert box_from_motion([noise], BASE.spacing).confidence < 0.1


def test_image_smaller_than_a_heart_is_taken_whole() -> None:
    frames = draw(BASE)[0][:, 70:130, 80:150]
    box = box_from_motion([frames], BASE.spacing)
    assert (box.top, box.left, box.bottom, box.right) == (0, 0, 60, 70)


@pytest.fixture(scope="module")
def real_stack() -> dict[int, NDArray[np.int16]]:
    """Frames (t, y, x) of the Sunnybrook study by slice, by the files' numbers, without this project's reader."""
    with zipfile.ZipFile(STUDY) as archive:
        pixels = {
            int(name.removesuffix(".dcm")) - 1: dcmread(archive.open(name)).PixelData
            for name in archive.namelist()
            if name.endswith(".dcm")
        }
    frames = {number: np.frombuffer(data, "<i2").reshape(256, 256) for number, data in pixels.items()}
    return {index: np.stack([frames[20 * index + t] for t in range(20)]) for index in {k // 20 for k in frames}}


@pytest.fixture(scope="module")
def contours() -> dict[int, NDArray[np.float64]]:
    """Endo- and epicardial points (x, y) by slice, both phases together."""
    found: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    with zipfile.ZipFile(STUDY) as archive:
        for name in archive.namelist():
            if number := re.search(r"IM-\d+-(\d+)-[io]contour", name):
                found[(int(number[1]) - 1) // 20].append(np.loadtxt(archive.open(name)))
    return {index: np.concatenate(points) for index, points in found.items()}


def margin_mm(box: HeartBox, points: NDArray[np.float64], spacing: tuple[float, float] = SPACING) -> float:
    """Smallest distance of a contour from the box's border; negative where it is cut."""
    x, y = points.T
    rows = min(y.min() - box.top, box.bottom - 1 - y.max()) * spacing[0]
    columns = min(x.min() - box.left, box.right - 1 - x.max()) * spacing[1]
    return float(min(rows, columns))


def _slices(index: int, reach: int) -> ParameterSet:
    """A slice with contours and its neighbours up to a distance, skipped where a slice is not at hand."""
    used = range(index - reach, index + reach + 1)
    return pytest.param(used, marks=() if set(used) <= set(IN_EVERY_CLONE) else needs_study)


@pytest.mark.parametrize("used", [_slices(index, reach) for reach in (0, 1) for index in CONTOURED], ids=str)
def test_real_heart_is_inside_the_box(
    real_stack: dict[int, NDArray[np.int16]], contours: dict[int, NDArray[np.float64]], used: range
) -> None:
    box = box_from_motion([real_stack[index] for index in used], SPACING)
    assert margin_mm(box, contours[used[len(used) // 2]]) > 8.0
    assert_sides(box, SPACING)
    assert box.height * box.width < 0.2 * 256 * 256
    assert box.confidence > 0.2


@needs_study
def test_mid_slice_box_holds_the_contours_of_all_slices(
    real_stack: dict[int, NDArray[np.int16]], contours: dict[int, NDArray[np.float64]]
) -> None:
    box = box_from_motion([real_stack[index] for index in (5, 6, 7)], SPACING)
    assert sorted(contours) == list(CONTOURED)
    assert all(margin_mm(box, points) > 5.0 for points in contours.values())


@pytest.mark.parametrize("down", [-50, 0, 50])
@pytest.mark.parametrize("right", [-50, 0, 50])
def test_real_heart_off_centre(
    real_stack: dict[int, NDArray[np.int16]], contours: dict[int, NDArray[np.float64]], down: int, right: int
) -> None:
    for index in {5, 7} & real_stack.keys():
        box = box_from_motion([np.roll(real_stack[index], (down, right), axis=(1, 2))], SPACING)
        assert margin_mm(box, contours[index] + [right, down]) > 4.0


def test_real_heart_under_noise_gain_and_fewer_frames(
    real_stack: dict[int, NDArray[np.int16]], contours: dict[int, NDArray[np.float64]]
) -> None:
    rng = np.random.default_rng(0)
    gain = np.exp(np.linspace(-1, 1, 256))
    bright = np.percentile(real_stack[7], 99.5)
    for index in set(MIDDLE) & real_stack.keys():
        frames = real_stack[index].astype(np.float64)
        for changed in (
            frames + rng.normal(0, 0.05 * bright, frames.shape),
            frames * gain[:, None],
            frames * gain[::-1, None],
            frames * gain,
            frames[::2],
            frames + 0.2 * np.roll(frames, 128, axis=1),
            frames * 3.7 - 900.0,
        ):
            assert margin_mm(box_from_motion([changed], SPACING), contours[index]) > 4.0
