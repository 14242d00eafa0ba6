"""Rendered cines: a beating short-axis heart whose size and motion are those of the state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from eccl.simulate import HeartState, render_cine
from eccl.simulate.cardiac_cycle import emptying
from eccl.simulate.cine import record_cine
from eccl.simulate.contours import slice_contours


def blood_pool_px(frames: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Area of the bright region around the LV's axis in every frame; muscle separates it from the right ventricle."""
    row, column = map(round, centre)
    smooth = gaussian_filter(frames.astype(float), (0, 0.6, 0.6))
    blood = np.median(smooth[0, row - 4 : row + 5, column - 4 : column + 5])
    areas = []
    for frame in smooth:
        regions, _ = label(frame > 0.72 * blood)
        areas.append((regions == regions[row, column]).sum() if regions[row, column] else 0)
    return np.array(areas)


def test_shape_type_range_and_determinism(states: list[HeartState]) -> None:
    frames = render_cine(states[0], np.random.default_rng(1), slices=3, frames=12, matrix=(160, 150))
    assert frames.shape == (3, 12, 160, 150)
    assert frames.dtype == np.uint16
    assert 50 < frames.max() < 4096
    again = render_cine(states[0], np.random.default_rng(1), slices=3, frames=12, matrix=(160, 150))
    assert (frames == again).all()


@pytest.mark.parametrize(("rate", "frame"), [(50, 15.5), (60, 17.8), (70, 19.8), (85, 22.2), (100, 24.0)])
def test_end_systole_by_heart_rate(states: list[HeartState], rate: float, frame: float) -> None:
    state = replace(states[0], male=True, cmr_heart_rate=float(rate), atrial_fibrillation=False)
    empty = emptying(state, 50)
    assert empty[0] == 0.0
    assert abs(int(empty.argmax()) - frame) <= 1.5
    assert empty[-1] < 0.15
    assert empty.min() >= 0.0


def test_fibrillation_has_no_atrial_kick(states: list[HeartState]) -> None:
    sinus = emptying(replace(states[0], cmr_heart_rate=55.0, atrial_fibrillation=False), 50)
    fibrillating = emptying(replace(states[0], cmr_heart_rate=55.0, atrial_fibrillation=True), 50)
    assert sinus[42] - sinus[-1] > 0.15
    assert fibrillating[42] - fibrillating[-1] < 0.05


def test_images_show_the_volumes(states: list[HeartState]) -> None:
    chosen = [s for s in states if not s.atrial_fibrillation][:24]
    diastole, ejection, contrast = [], [], []
    for seed, state in enumerate(chosen):
        cine = record_cine(state, np.random.default_rng(seed), slices=1, frames=16, matrix=(160, 150))
        area = blood_pool_px(cine.frames[0], cine.centre_px)
        diastole.append(area[0] * cine.spacing_mm**2)
        ejection.append(1.0 - area.min() / area[0])
        row, column = map(round, cine.centre_px)
        contrast.append(cine.frames[0, 0, row, column] / np.median(cine.frames[0, 0]))
    assert np.corrcoef(diastole, [s.lv_edv for s in chosen])[0, 1] > 0.8
    assert np.corrcoef(ejection, [s.lv_ef for s in chosen])[0, 1] > 0.4
    assert min(ejection) > 0.1
    assert np.median(contrast) > 2


def test_the_left_ventricle_is_ringed_by_dark_muscle_with_the_right_one_on_the_left(states: list[HeartState]) -> None:
    state = next(s for s in states if s.scar.sum() == 0 and not s.atrial_fibrillation)
    cine = record_cine(state, np.random.default_rng(3), slices=1, frames=8)
    frame = cine.frames[0, 0].astype(float)
    row, column = map(round, cine.centre_px)
    plane = slice_contours(state, np.array([0.0]), 0.5 * state.lv_length)
    endo, epi = plane.endo[0, 90] / cine.spacing_mm, plane.epi[0, 90] / cine.spacing_mm
    blood = np.median(frame[row - 4 : row + 5, column - 4 : column + 5])
    septum = frame[row - 3 : row + 4, round(column - (endo + epi) / 2)]
    right = frame[row - 2 : row + 3, round(column - epi - 7) : round(column - epi - 3)]
    assert np.median(septum) < 0.65 * blood
    assert np.median(right) > 0.75 * blood


def test_motion_in_the_image_is_the_strain_of_the_trait(states: list[HeartState]) -> None:
    measured, truth = [], []
    for state in states:
        plane = slice_contours(state, np.array([0.0, 1.0]), 0.5 * state.lv_length)
        lines = [contour[1].sum() / contour[0].sum() - 1.0 for contour in (plane.endo, plane.epi)]
        measured.append(50.0 * sum(lines))
        truth.append(state.ecc[6:12].mean())
    assert np.corrcoef(measured, truth)[0, 1] > 0.9


def test_a_scarred_wall_stands_still(states: list[HeartState]) -> None:
    state = next(s for s in states if s.scar.sum() == 0)
    ecc = state.ecc.copy()
    ecc[[9]] *= 0.05  # mid inferior
    plane = slice_contours(replace(state, ecc=ecc), np.array([0.0, 1.0]), 0.5 * state.lv_length)
    inward = plane.endo[0] - plane.endo[1]
    assert inward[180] < 0.35 * inward[0]


def test_hypertrophic_septum_is_thick_in_the_plane(states: list[HeartState]) -> None:
    thickness = states[0].wall_thickness.copy()
    thickness[[1, 2, 7, 8]] *= 1.8
    plane = slice_contours(replace(states[0], wall_thickness=thickness), np.array([0.0]), 0.5 * states[0].lv_length)
    wall = plane.epi[0] - plane.endo[0]
    assert wall[60:121].mean() > 1.4 * wall[240:301].mean()
