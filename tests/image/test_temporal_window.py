"""Resampling in time, the window, and its 256 grey levels."""

from __future__ import annotations

import numpy as np
import pytest

from eccl.errors import Reason, Rejected
from eccl.image.window import cut_window, resample_periodic, to_uint8


def cycle(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 4096, (count, 5, 6)).astype(np.uint16)


@pytest.mark.parametrize("count", [8, 25, 50])
def test_same_count_changes_nothing(count: int) -> None:
    np.testing.assert_array_equal(resample_periodic(cycle(count), count), cycle(count))


@pytest.mark.parametrize("native", [10, 20, 25, 30, 45, 100])
def test_coincident_times_are_exact(native: int) -> None:
    frames = cycle(native)
    resampled = resample_periodic(frames, 50)
    assert resampled.shape == (50, 5, 6)
    assert resampled.dtype == np.float32
    coincident = [k for k in range(50) if k * native % 50 == 0]
    assert len(coincident) >= 5
    for k in coincident:
        np.testing.assert_array_equal(resampled[k], frames[k * native // 50])


def test_between_frames_it_is_linear_and_the_cycle_is_closed() -> None:
    frames = np.array([0, 10, 20, 30], dtype=np.float64)[:, None, None]
    assert resample_periodic(frames, 8)[:, 0, 0] == pytest.approx([0, 5, 10, 15, 20, 25, 30, 15])
    # Shifting the cycle shifts the result: no frame is special.
    shifted = resample_periodic(np.roll(cycle(10), 3, axis=0), 50)
    np.testing.assert_array_equal(shifted, np.roll(resample_periodic(cycle(10), 50), 15, axis=0))


def test_no_frame_is_rejected() -> None:
    with pytest.raises(Rejected) as caught:
        resample_periodic(np.zeros((0, 4, 4)))
    assert caught.value.reason is Reason.CINE_TOO_FEW_FRAMES


def test_window_inside_the_image() -> None:
    frames = np.arange(2 * 30 * 40).reshape(2, 30, 40)
    window, top, left = cut_window(frames, (15.0, 20.0), 8)
    assert (top, left) == (11, 16)
    np.testing.assert_array_equal(window, frames[:, 11:19, 16:24])


@pytest.mark.parametrize("centre", [(0, 0), (29, 39), (15, -3), (-40, 100), (14.5, 19.5)])
def test_window_pixels_keep_their_place_and_padding_is_zero(centre: tuple[float, float]) -> None:
    frames = np.arange(1, 1 + 30 * 40).reshape(1, 30, 40)
    window, top, left = cut_window(frames, centre, 12)
    for y in range(12):
        for x in range(12):
            inside = 0 <= y + top < 30 and 0 <= x + left < 40
            assert window[0, y, x] == (frames[0, y + top, x + left] if inside else 0)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_grey_levels_come_back_within_half_a_step(dtype: type) -> None:
    values = np.random.default_rng(1).uniform(0 if dtype is np.uint16 else -900, 3000, (4, 9, 9)).astype(dtype)
    codes, low, high = to_uint8(values)
    assert (codes.dtype, codes.min(), codes.max()) == (np.uint8, 0, 255)
    assert (low, high) == (values.min(), values.max())
    step = (high - low) / 255
    assert np.abs(low + codes * step - values.astype(np.float64)).max() <= step / 2 + 1e-9


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_constant_cine_is_rejected(value: float) -> None:
    with pytest.raises(Rejected) as caught:
        to_uint8(np.full((3, 4, 4), value, dtype=np.float32))
    assert caught.value.reason is Reason.CINE_CONSTANT
