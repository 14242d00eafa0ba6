"""The one interpolation between a stored window and the network's input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from eccl.training.inputs import augment
from eccl.training.inputs.augment import CineView, clean_view, draw_views, sample_cine, stable_views
from eccl.training.inputs.visits import CineGeometry
from eccl.training.settings import CineConfig
from tests.support.tiny_workspace import changed

TIGHT = CineConfig(crop="box", margin=0.0, side_mm=146.0, rotation_degrees=15.0, scale=(0.8, 1.0), horizontal_flip=0.0)


def place(box: tuple[float, ...], spacing: tuple[float, float] = (1.8, 1.8), count: int = 1) -> CineGeometry:
    return CineGeometry(torch.tensor([box] * count), torch.tensor([spacing] * count))


def view(angle: float = 0.0, zoom: float = 1.0, mirror: float = 1.0) -> CineView:
    return CineView(torch.tensor([angle]), torch.tensor([zoom]), torch.tensor([mirror]))


def noise(side: int = 64, frames: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, frames, side, side), dtype=torch.uint8, generator=generator)


WHOLE = place((0.0, 0.0, 64.0, 64.0))


def test_a_box_that_is_the_whole_window_is_a_plain_resize() -> None:
    frames = noise()
    found = sample_cine(frames, WHOLE, 48, TIGHT, clean_view(1))
    expected = functional.interpolate(frames.float(), size=(48, 48), mode="bilinear", align_corners=False)
    assert found.shape == (1, 2, 48, 48)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected / 127.5 - 1, rtol=0, atol=2e-4)


def test_the_same_size_gives_the_pixels_back() -> None:
    frames = noise()
    found = sample_cine(frames, place((10.0, 20.0, 42.0, 52.0)), 32, TIGHT, clean_view(1))
    torch.testing.assert_close(found, frames[..., 10:42, 20:52] / 127.5 - 1, rtol=0, atol=2e-4)


def test_a_box_inside_the_window_is_bilinear_at_pixel_centres() -> None:
    frames = noise(frames=1)
    found = sample_cine(frames, place((10.0, 20.0, 40.0, 50.0)), 45, TIGHT, clean_view(1))[0, 0].numpy()
    picture = frames[0, 0].numpy().astype(float)
    rows = 10 + (np.arange(45) + 0.5) * 30 / 45 - 0.5
    columns = 20 + (np.arange(45) + 0.5) * 30 / 45 - 0.5
    along = np.stack([np.interp(columns, np.arange(64), row) for row in picture])
    expected = np.stack([np.interp(rows, np.arange(64), column) for column in along.T], axis=1)
    np.testing.assert_allclose(found, expected / 127.5 - 1, atol=2e-4)


def test_a_heart_box_lands_centred_and_fills_the_picture() -> None:
    frames = torch.zeros(1, 2, 112, 112, dtype=torch.uint8)
    frames[..., 30:70, 50:90] = 255
    found = sample_cine(frames, place((30.0, 50.0, 70.0, 90.0)), 80, TIGHT, clean_view(1))
    torch.testing.assert_close(found[..., 1:-1, 1:-1], torch.ones(1, 2, 78, 78), rtol=0, atol=1e-6)
    with_margin = sample_cine(frames, place((30.0, 50.0, 70.0, 90.0)), 80, changed(TIGHT, margin=0.25), clean_view(1))
    bright = (with_margin[0, 0] > 0).nonzero()
    assert bright.amin(0).tolist() == [8, 8]  # 80 / 1.25 = 64 pixels in the middle
    assert bright.amax(0).tolist() == [71, 71]


def test_the_longer_side_of_a_box_fills_the_picture_and_nothing_is_cut() -> None:
    frames = torch.zeros(1, 1, 112, 112, dtype=torch.uint8)
    frames[..., 40:60, 30:70] = 255  # 20 rows, 40 columns
    found = sample_cine(frames, place((40.0, 30.0, 60.0, 70.0)), 40, TIGHT, clean_view(1))[0, 0]
    bright = (found > 0).nonzero()
    assert bright.amin(0).tolist() == [10, 0]
    assert bright.amax(0).tolist() == [29, 39]


@pytest.mark.parametrize("spacing", [(2.4, 1.2), (1.2, 2.4), (1.8, 1.8)])
@pytest.mark.parametrize("crop", ["box", "fixed"])
def test_anisotropic_pixels_keep_the_shape_of_a_circle(spacing: tuple[float, float], crop: str) -> None:
    row_mm, column_mm = spacing
    y, x = np.mgrid[:112, :112] + 0.5
    radius = 30.0  # mm
    disc = np.hypot((y - 56) * row_mm, (x - 60) * column_mm) < radius
    frames = torch.from_numpy((255 * disc).astype(np.uint8))[None, None]
    half = (radius / row_mm, radius / column_mm)
    geometry = place((56 - half[0], 60 - half[1], 56 + half[0], 60 + half[1]), spacing)
    config = changed(TIGHT, crop=crop, side_mm=2 * radius / 0.75, margin=1 / 3)  # either way 3/4 of the side
    found = (sample_cine(frames, geometry, 96, config, clean_view(1))[0, 0] > 0).nonzero().float()
    assert found.mean(0).tolist() == pytest.approx([47.5, 47.5], abs=0.6)
    spread = found.std(0)
    assert spread[0].item() == pytest.approx(spread[1].item(), rel=0.03)
    assert len(found) == pytest.approx(math.pi * (0.75 * 48) ** 2, rel=0.04)


def test_the_fixed_square_is_measured_in_millimetres() -> None:
    frames = noise(112, 1)
    config = changed(TIGHT, crop="fixed", side_mm=80.0)
    found = sample_cine(frames, place((50.0, 40.0, 60.0, 52.0), (2.0, 2.0)), 40, config, clean_view(1))
    torch.testing.assert_close(found, frames[..., 35:75, 26:66] / 127.5 - 1, rtol=0, atol=3e-4)


def test_outside_the_window_it_is_black() -> None:
    frames = torch.full((1, 1, 64, 64), 200, dtype=torch.uint8)
    found = sample_cine(frames, place((-32.0, 0.0, 32.0, 64.0)), 64, TIGHT, clean_view(1))[0, 0]
    assert (found[:32] == -1).all()
    torch.testing.assert_close(found[32:], torch.full((32, 64), 200 / 127.5 - 1))


def test_a_positive_angle_turns_the_picture_counter_clockwise() -> None:
    frames = noise()
    found = sample_cine(frames, WHOLE, 64, TIGHT, view(angle=math.pi / 2))
    expected = torch.rot90(frames, 1, dims=(2, 3)) / 127.5 - 1
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=0, atol=5e-3)


def test_rotation_keeps_shapes_on_anisotropic_pixels() -> None:
    y, x = np.mgrid[:112, :112] + 0.5
    row_mm, column_mm = 2.4, 1.2
    bar = (abs(y - 56) < 3) & (abs(x - 56) < 25)  # 6 rows x 50 columns: 14.4 x 60 mm, lying
    frames = torch.from_numpy((255 * bar).astype(np.uint8))[None, None]
    geometry = place((31.0, 6.0, 81.0, 106.0), (row_mm, column_mm))
    lying = sample_cine(frames, geometry, 120, TIGHT, clean_view(1))[0, 0] > 0
    standing = sample_cine(frames, geometry, 120, TIGHT, view(angle=math.pi / 2))[0, 0] > 0
    differing = (standing != lying.T).float().mean()
    assert differing < 0.01
    assert lying.float().mean() == pytest.approx(14.4 * 60 / 120**2, rel=0.05)


def test_zoom_takes_the_middle_and_mirror_swaps_left_and_right() -> None:
    frames = noise()
    half = sample_cine(frames, WHOLE, 32, TIGHT, view(zoom=0.5))
    torch.testing.assert_close(half, frames[..., 16:48, 16:48] / 127.5 - 1, rtol=0, atol=2e-4)
    mirrored = sample_cine(frames, WHOLE, 64, TIGHT, view(mirror=-1.0))
    torch.testing.assert_close(mirrored, frames.flip(-1) / 127.5 - 1, rtol=0, atol=2e-4)


def test_cines_of_a_batch_have_their_own_geometry_and_view() -> None:
    frames = noise().repeat(3, 1, 1, 1)
    geometry = CineGeometry(
        torch.tensor([[0.0, 0, 64, 64], [8, 8, 40, 40], [4, 20, 50, 60]]),
        torch.tensor([[1.8, 1.8], [2.0, 1.5], [1.5, 1.5]]),
    )
    views = CineView(torch.tensor([0.0, 0.2, -0.1]), torch.tensor([1.0, 0.9, 1.1]), torch.tensor([1.0, 1.0, -1.0]))
    whole = sample_cine(frames, geometry, 24, TIGHT, views)
    for i in range(3):
        alone = CineView(views.angle[i : i + 1], views.zoom[i : i + 1], views.mirror[i : i + 1])
        own = CineGeometry(geometry.box[i : i + 1], geometry.spacing[i : i + 1])
        torch.testing.assert_close(sample_cine(frames[i : i + 1], own, 24, TIGHT, alone)[0], whole[i])


def test_coordinates_keep_their_precision_under_autocast() -> None:
    frames = noise(112)
    geometry = place((13.0, 17.0, 90.0, 94.0))
    expected = sample_cine(frames, geometry, 56, TIGHT, view(angle=0.1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sample_cine(frames, geometry, 56, TIGHT, view(angle=0.1))
    torch.testing.assert_close(found, expected)


def test_drawn_views_stay_in_their_ranges_and_do_not_mirror_by_default() -> None:
    views = draw_views(2000, TIGHT, torch.Generator().manual_seed(0))
    degrees = views.angle * 180 / math.pi
    assert -15 <= degrees.min() < -14
    assert 14 < degrees.max() <= 15
    assert 0.8 <= views.zoom.min() < 0.81
    assert 0.99 < views.zoom.max() <= 1.0
    assert (views.mirror == 1).all()
    mirrored = draw_views(2000, changed(TIGHT, horizontal_flip=0.5), torch.Generator().manual_seed(0)).mirror
    assert set(mirrored.tolist()) == {1.0, -1.0}
    assert 0.45 < (mirrored == -1).float().mean() < 0.55


def test_cached_views_depend_on_slot_number_and_seed_and_on_nothing_else() -> None:
    rows = np.array([4, 9, 2])
    one, alone = stable_views(rows, 1, TIGHT, 7), stable_views(rows[1:2], 1, TIGHT, 7)
    assert one.angle[1] == alone.angle[0]
    assert one.zoom[1] == alone.zoom[0]
    assert len(set(one.angle.tolist())) == 3
    assert not torch.equal(one.angle, stable_views(rows, 0, TIGHT, 7).angle)
    assert not torch.equal(one.angle, stable_views(rows, 1, TIGHT, 8).angle)


@pytest.mark.parametrize("size", [8, 30, 77])
def test_both_ways_of_resampling_agree(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    frames = torch.randint(0, 256, (5, 7, 33, 21), dtype=torch.uint8, generator=generator)
    # Turned, enlarged, shrunk, and far enough out to leave the window.
    theta = torch.randn(5, 2, 3, generator=generator)
    one, other = (way(frames, theta, size) for way in (augment._by_grid, augment._by_gather))
    assert one.shape == other.shape == (5, 7, size, size)
    torch.testing.assert_close(one, other, rtol=0, atol=2e-4)
    away = torch.tensor([[[0.1, 0.0, 50.0], [0.0, 0.1, -50.0]]])
    for way in (augment._by_grid, augment._by_gather):
        assert (way(frames[:1], away, size) == -1).all()
