"""What the contours do over a cycle: areas by formula, constant mass, timing, strain, scars, blocks, irregular beats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eccl.simulate import HeartState
from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.contours import (
    Contours,
    emptying,
    regular_beat,
    scanned_beats,
    septal_flattening,
    slice_contours,
)
from eccl.simulate.heart.state import cavity_radius
from tests.support.heart_measures import (
    blood_area_mm2,
    circumferential_strain,
    plain_beat,
    rv_area_mm2,
    thickness_mm,
    wall_area_mm2,
)

ED_ES = np.array([0.0, 1.0])


def as_geometry(state: HeartState) -> HeartState:
    """The same heart with segments that move by its volumes alone."""
    return replace(
        state,
        ecc=state.geometric_ecc * ph.ECC_FACTOR,
        scar=np.zeros(16),
        conduction="normal",
        atrial_fibrillation=False,
    )


def mid_slice(state: HeartState, empty: np.ndarray = ED_ES) -> Contours:
    return slice_contours(state, plain_beat(empty), 0.5 * state.lv_length)


def test_cavity_areas_are_those_of_the_half_ellipsoid(states: list[HeartState]) -> None:
    for state in map(as_geometry, states):
        area = blood_area_mm2(mid_slice(state))
        systolic = state.lv_length * (1.0 - state.shortening)
        # The plane stays where it is while the base comes down to it.
        level = (0.5 * state.lv_length - (state.lv_length - systolic)) / systolic
        expected = np.pi * np.array(
            [
                cavity_radius(state.lv_edv, state.lv_length) ** 2,
                cavity_radius(state.lv_esv, systolic, level) ** 2,
            ]
        )
        assert area == pytest.approx(expected, rel=0.02)


def test_wall_mass_is_constant_over_fifty_frames(states: list[HeartState]) -> None:
    step = 1.0
    for state in states[:4]:
        beat = regular_beat(state, 50)
        planes = [slice_contours(state, beat, depth) for depth in np.arange(step / 2, 140.0, step)]
        # Above the moving base the level is clipped to 0: those planes show atrium and are left out.
        volume = sum(np.where(plane.level > 0, wall_area_mm2(plane), 0.0) * step for plane in planes)
        assert volume == pytest.approx(np.full(50, volume[0]), rel=0.03)
        assert volume[0] * ph.MYOCARDIAL_DENSITY_G_PER_ML / 1000.0 == pytest.approx(state.lv_mass, rel=0.03)


@pytest.mark.parametrize(("rate", "frame"), [(50, 15.5), (60, 17.8), (70, 19.8), (85, 22.2), (100, 24.0)])
def test_the_cavity_is_smallest_when_ejection_ends(states: list[HeartState], rate: float, frame: float) -> None:
    for state in states[:12]:
        heart = replace(as_geometry(state), male=True, cmr_heart_rate=float(rate))
        beat = regular_beat(heart, 50)
        area = blood_area_mm2(slice_contours(heart, beat, 0.5 * heart.lv_length))
        assert abs(int(area.argmin()) - frame) <= 1.5


def test_strain_of_the_masks_is_the_geometric_trait(states: list[HeartState]) -> None:
    masks = [circumferential_strain(mid_slice(as_geometry(state)))[1] for state in states]
    traits = [state.geometric_ecc for state in states]
    _same_scale(masks, traits)


def test_strain_of_the_masks_is_the_trait_of_the_mid_ring(states: list[HeartState]) -> None:
    masks = [circumferential_strain(mid_slice(state))[1] for state in states]
    traits = [state.ecc[6:12].mean() for state in states]
    _same_scale(masks, traits)


def _same_scale(masks: list[float], traits: list[float]) -> None:
    assert np.corrcoef(masks, traits)[0, 1] >= 0.95
    assert 0.95 <= np.polyfit(traits, masks, 1)[0] <= 1.05


def test_sectors_of_the_mask_are_as_thick_as_the_trait_says(states: list[HeartState]) -> None:
    masks = np.array([thickness_mm(mid_slice(state))[0] for state in states])
    traits = np.array([state.wall_thickness[6:12] for state in states])
    assert min(np.corrcoef(masks[:, k], traits[:, k])[0, 1] for k in range(6)) > 0.9
    relative = masks / masks.mean(axis=1, keepdims=True) - traits / traits.mean(axis=1, keepdims=True)
    assert np.abs(relative).mean() < 0.06


def test_a_scar_stands_still_and_what_moves_of_it_is_late(states: list[HeartState]) -> None:
    state = as_geometry(states[0])
    scar, ecc = np.zeros(16), state.ecc.copy()
    scar[9], ecc[9] = 1.0, 0.1 * ecc[9]  # mid inferior
    heart = replace(state, scar=scar, ecc=ecc, cmr_heart_rate=60.0)
    plane = slice_contours(heart, regular_beat(heart, 100), 0.5 * heart.lv_length)
    inward = plane.endo[0] - plane.endo
    assert inward[:, 180].max() < 0.2 * inward[:, 0].max()
    assert inward[:, 180].argmax() - inward[:, 0].argmax() == pytest.approx(4, abs=1)  # 40 ms at 10 ms a frame


def test_left_bundle_branch_block_flashes_the_septum(states: list[HeartState]) -> None:
    state = replace(as_geometry(states[0]), cmr_heart_rate=65.0)
    block = replace(state, conduction="lbbb")
    normal, flashing = (slice_contours(s, regular_beat(s, 50), 0.5 * s.lv_length).endo for s in (state, block))
    early = int(0.08 * 50)
    assert normal[early, 100] - flashing[early, 100] > 1.5
    assert flashing[14, 100] - normal[14, 100] > 0.5
    assert abs(normal[early, 280] - flashing[early, 280]) < 0.1
    assert (normal[0] == flashing[0]).all()


def test_a_loaded_right_ventricle_flattens_the_septum_and_the_cavity_keeps_its_area(states: list[HeartState]) -> None:
    state = as_geometry(states[0])
    loaded = replace(state, rv_edv=1.9 * state.lv_edv, rv_esv=1.2 * state.lv_edv)
    assert septal_flattening(loaded) == 0.15
    assert septal_flattening(replace(state, rv_edv=1.05 * state.lv_edv, rv_esv=0.45 * state.lv_edv)) == 0.0
    plain = replace(loaded, rv_edv=1.05 * state.lv_edv, rv_esv=0.45 * state.lv_edv)
    flat, round_ = (mid_slice(s) for s in (loaded, plain))
    assert flat.endo[0, 100] < 0.92 * round_.endo[0, 100]
    assert blood_area_mm2(flat) == pytest.approx(blood_area_mm2(round_), rel=0.01)


def test_the_right_ventricle_shows_its_volume_and_ejection(states: list[HeartState]) -> None:
    for state in states[:40]:
        area = rv_area_mm2(mid_slice(state))
        assert area[0] == pytest.approx(state.rv_edv / 0.085, rel=0.15)
        rv_ef = 1.0 - state.rv_esv / state.rv_edv
        assert 1.0 - area[1] / area[0] == pytest.approx(0.92 * rv_ef, abs=0.01)


def test_kick_and_early_filling_merge_in_short_cycles(states: list[HeartState]) -> None:
    def pause(rate: float) -> float:
        """Longest run of the cycle in which next to nothing flows in."""
        state = replace(
            states[0], male=True, cmr_heart_rate=rate, atrial_fibrillation=False, lv_esv=0.4 * states[0].lv_edv
        )
        flow = -np.diff(emptying(state, 400))[emptying(state, 400).argmax() + 40 :]
        return float((flow < 0.1 * flow.max()).mean())

    assert pause(50.0) > 0.3
    assert pause(105.0) < 0.15


def test_a_weak_ventricle_fills_slowly(states: list[HeartState]) -> None:
    strong = replace(states[0], cmr_heart_rate=55.0, atrial_fibrillation=False, lv_esv=0.4 * states[0].lv_edv)
    weak = replace(strong, lv_esv=0.7 * strong.lv_edv)
    peaks = [np.diff(-emptying(state, 200)).max() for state in (strong, weak)]
    assert peaks[1] < 0.85 * peaks[0]


def test_fibrillation_mixes_beats_and_smears_their_mean(states: list[HeartState]) -> None:
    regular = replace(states[0], atrial_fibrillation=False, cmr_heart_rate=78.0)
    irregular = replace(regular, atrial_fibrillation=True)
    assert len(scanned_beats(regular, 50, np.random.default_rng(1))) == 1
    beats = scanned_beats(irregular, 50, np.random.default_rng(1))
    assert len(beats) > 4
    assert len({int(beat.empty.argmax()) for beat in beats}) > 1
    assert np.std([beat.empty[0] for beat in beats]) > 0.03
    mean = np.mean([beat.empty for beat in beats], axis=0)
    assert np.ptp(mean) < np.ptp(emptying(irregular, 50))
