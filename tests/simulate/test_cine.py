"""Rendered cines: a beating short-axis heart whose size and motion are those of the state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter, label

from eccl.simulate import HeartState
from eccl.simulate.cine.heart_paint import PolarGrid, cover, heart_window, limit_resolution
from eccl.simulate.cine.render import SLICE_STEP_MM, Scan, plan_scan
from eccl.simulate.cine.torso import image_plane
from eccl.simulate.heart.contours import Contours, emptying, slice_contours
from tests.support.heart_measures import (
    blood_area_mm2,
    circumferential_strain,
    plain_beat,
    rv_area_mm2,
    thickness_mm,
    wall_area_mm2,
)


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
    frames = plan_scan(states[0], np.random.default_rng(1), slices=3, frames=12, matrix=(160, 150)).record().frames
    assert frames.shape == (3, 12, 160, 150)
    assert frames.dtype == np.uint16
    assert 50 < frames.max() < 4096
    again = plan_scan(states[0], np.random.default_rng(1), slices=3, frames=12, matrix=(160, 150)).record().frames
    assert (frames == again).all()


def test_fibrillation_has_no_atrial_kick(states: list[HeartState]) -> None:
    sinus = emptying(replace(states[0], cmr_heart_rate=55.0, atrial_fibrillation=False), 50)
    fibrillating = emptying(replace(states[0], cmr_heart_rate=55.0, atrial_fibrillation=True), 50)
    assert sinus[42] - sinus[-1] > 0.15
    assert fibrillating[42] - fibrillating[-1] < 0.05


def test_images_show_the_volumes(states: list[HeartState]) -> None:
    chosen = [s for s in states if not s.atrial_fibrillation][:24]
    diastole, ejection, contrast = [], [], []
    for seed, state in enumerate(chosen):
        cine = plan_scan(state, np.random.default_rng(seed), slices=1, frames=16, matrix=(160, 150)).record()
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
    cine = plan_scan(state, np.random.default_rng(3), slices=1, frames=8).record()
    frame = cine.frames[0, 0].astype(float)
    row, column = map(round, cine.centre_px)
    plane = slice_contours(state, plain_beat(np.array([0.0])), 0.5 * state.lv_length)
    endo, epi = plane.endo[0, 90] / cine.spacing_mm, plane.epi[0, 90] / cine.spacing_mm
    blood = np.median(frame[row - 4 : row + 5, column - 4 : column + 5])
    septum = frame[row - 3 : row + 4, round(column - (endo + epi) / 2)]
    right = frame[row - 2 : row + 3, round(column - epi - 7) : round(column - epi - 3)]
    assert np.median(septum) < 0.65 * blood
    assert np.median(right) > 0.75 * blood


def test_a_scarred_wall_stands_still(states: list[HeartState]) -> None:
    state = next(s for s in states if s.scar.sum() == 0)
    ecc = state.ecc.copy()
    ecc[[9]] *= 0.05  # mid inferior
    plane = slice_contours(replace(state, ecc=ecc), plain_beat(np.array([0.0, 1.0])), 0.5 * state.lv_length)
    inward = plane.endo[0] - plane.endo[1]
    assert inward[180] < 0.35 * inward[0]


def test_hypertrophic_septum_is_thick_in_the_plane(states: list[HeartState]) -> None:
    thickness = states[0].wall_thickness.copy()
    thickness[[1, 2, 7, 8]] *= 1.8
    plane = slice_contours(
        replace(states[0], wall_thickness=thickness), plain_beat(np.array([0.0])), 0.5 * states[0].lv_length
    )
    wall = plane.epi[0] - plane.endo[0]
    assert wall[60:121].mean() > 1.4 * wall[240:301].mean()


def ring(radius_mm: float, frames: int = 1) -> np.ndarray:
    return np.full((frames, 360), radius_mm)


def grid() -> PolarGrid:
    plane = image_plane(208, 187, 1.8, (0.48, 0.53))
    return PolarGrid.of(plane, heart_window(plane), 10.0, (0.0, 0.0))


def test_covered_pixels_have_the_area_of_the_contour() -> None:
    for radius in (8.0, 12.3, 27.0):
        area = cover([ring(radius)], grid())[0].sum() * 1.8**2
        assert np.isclose(area, np.pi * radius**2, rtol=0.01)


def test_an_edge_is_the_mean_of_the_thin_planes() -> None:
    polar = grid()
    both, inner, outer = (cover(edges, polar) for edges in ([ring(20.0), ring(26.0)], [ring(20.0)], [ring(26.0)]))
    assert np.allclose(both, (inner + outer) / 2, atol=1e-6)
    assert ((both > 0.4) & (both < 0.6)).sum() > 100  # the wall between the two radii is half full


def test_the_image_is_the_contours_smeared_by_the_slice(states: list[HeartState]) -> None:
    """Towards the apex the wall is oblique, so a thick slice shows it less sharply than in the middle."""
    state = next(s for s in states if not s.atrial_fibrillation)

    def width(depth: float) -> float:
        planes = [slice_contours(state, plain_beat(np.zeros(1)), depth + d) for d in np.linspace(-3.2, 3.2, 5)]
        return float(np.ptp([plane.endo.mean() for plane in planes]))

    assert width(0.85 * state.lv_length) > 2.0 * width(0.45 * state.lv_length)


def test_edges_ring_a_little() -> None:
    step = np.zeros((1, 40), dtype=np.float32)
    step[:, 19:] = 0.5
    step[:, 20:] = 1.0
    cut = limit_resolution(np.repeat(step, 8, axis=0))
    assert 0.02 < cut.max() - 1.0 < 0.06
    assert np.isclose(cut[:, :10].max(), 0.0, atol=1e-6)


def test_studies_of_the_same_heart_differ(states: list[HeartState]) -> None:
    scans = [plan_scan(states[0], np.random.default_rng(seed), slices=3) for seed in range(60)]
    for name, low, high in (("scale", 0.2, 0.6), ("rotation_deg", 8.0, 16.0), ("blood_snr", 3.0, 8.0)):
        values = np.array([getattr(scan, name) for scan in scans])
        assert low < np.std(np.log(values) if name == "scale" else values) < high, name
    assert all(20.0 <= scan.blood_snr <= 45.0 for scan in scans)
    misplaced = np.array([scan.misplaced_mm[:, 0] for scan in scans])
    assert np.abs(misplaced).max() <= 5.0
    assert misplaced.std() > 1.5
    assert np.std([scan.signals.myocardium for scan in scans]) > 0.01
    assert all(scan.signals.rv_blood <= 0.98 for scan in scans)
    # Headers hold the plan, as a scanner's do: not where the breath-hold put the slice.
    assert scans[0].offsets_mm == (-SLICE_STEP_MM, 0.0, SLICE_STEP_MM)


def test_noise_is_that_of_the_study(states: list[HeartState]) -> None:
    scan = plan_scan(states[0], np.random.default_rng(2), slices=1)
    quiet, loud = (_still_noise(replace(scan, blood_snr=snr)) for snr in (45.0, 20.0))
    assert np.isclose(loud / quiet, 45.0 / 20.0, rtol=0.1)


def _still_noise(scan: Scan) -> float:
    """SD over time in the chest wall, which does not move; bright enough for noise to be Gaussian."""
    frames = scan.render(0).astype(float)
    mean = frames.mean(axis=0)
    still = mean > np.percentile(mean, 97)
    still[heart_window(scan.plane)] = False
    return float(frames[:, still].std(axis=0).mean())


def test_ghosts_are_there_where_beats_differ(states: list[HeartState]) -> None:
    regular = replace(states[0], atrial_fibrillation=False)
    clear, ghosted = (
        plan_scan(replace(regular, atrial_fibrillation=af), np.random.default_rng(4), slices=1, matrix=(192, 208))
        for af in (False, True)
    )
    # The far end of a body is where its copy, half a field of view away, falls on something else than the heart.
    outside = np.ones(clear.matrix, dtype=bool)
    outside[heart_window(clear.plane)] = False
    before, after = (scan.render(0).mean(axis=0) for scan in (clear, ghosted))
    added = (after - before)[outside & (before > 0)]
    copy = np.roll(before, len(before) // 2, axis=0)[outside & (before > 0)]
    assert np.corrcoef(added, copy)[0, 1] > 0.5
    assert 0.005 < added.mean() / copy.mean() < 0.05


def test_sectors_and_areas_of_contours() -> None:
    still = Contours(endo=ring(20.0, 2), epi=ring(28.0, 2), rv=ring(28.0, 2), level=np.zeros(2))
    assert np.allclose(thickness_mm(still), 8.0)
    assert thickness_mm(still, 4).shape == (2, 4)
    assert np.allclose(blood_area_mm2(still) + wall_area_mm2(still), np.pi * 28.0**2)
    assert np.allclose(rv_area_mm2(still), 0.0)
    half = Contours(
        endo=np.concatenate([ring(20.0), ring(10.0)]), epi=ring(28.0, 2), rv=ring(28.0, 2), level=np.zeros(2)
    )
    assert np.allclose(circumferential_strain(half), [0.0, -25.0])
