"""A resting 12-lead ECG from a heart's state: a moving dipole seen through Dower's matrix, noise at the electrodes.

Frank axes: +x left, +y inferior, +z posterior. Dower: Clin Cardiol 1980;3:87. The wave template was fitted to normal
12-lead amplitudes of 64-year-olds; disease and size act on it as listed in :mod:`eccl.simulate.ecg.effects`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.ecg.dipole import Beat, beat_of, ectopic_beat, evaluate, premature_atrial_beat
from eccl.simulate.ecg.electrodes import (
    INDEPENDENT_LEADS,
    electrode_noise,
    lead_matrix,
    to_counts,
)
from eccl.simulate.ecg.rhythm import draw_rhythm, fibrillation_waves
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLE_RATE_HZ = 500
SAMPLES = 5000
RESOLUTION_UV = 5
MEDIAN_SAMPLES = 600
MEDIAN_R_INDEX = 240
BEAT_WINDOW_MS = (420.0, 700.0)  # before and after R: everything of a beat above a microvolt
BREATHING_TURN_DEG, BREATHING_GAIN = 4.0, 0.04  # [M] 3 to 5 degrees

Counts = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Ecg:
    """A recorded ECG: strip (12, 5000) and median beat (12, 600), int16 counts of 5 uV, and its beats.

    `r_times_ms` are R peaks from the start of the strip, `beat_classes` name each ("dominant", "PVC" or "PAC").
    """

    strip: Counts
    median: Counts
    beat: Beat
    r_times_ms: Floats
    beat_classes: tuple[str, ...]
    rr_ms: float
    atrial_fibrillation: bool


def render_ecg(state: HeartState, rng: np.random.Generator) -> Counts:
    """Render ten seconds of twelve leads.

    Returns
    -------
    (12, 5000) int16
        Counts of 5 uV at 500 Hz, leads I II III aVR aVL aVF V1-V6; limb-lead identities hold exactly up to the
        rounding of a half count (III = II - I without any).
    """
    return record_ecg(state, rng).strip


def record_ecg(state: HeartState, rng: np.random.Generator) -> Ecg:
    """Render a strip and what the electrocardiograph derives from it."""
    beat = beat_of(state)
    rhythm = draw_rhythm(state, rng, seconds=SAMPLES / SAMPLE_RATE_HZ)
    shapes = {"dominant": beat, "PVC": ectopic_beat(beat), "PAC": premature_atrial_beat(beat)}
    times = np.arange(SAMPLES) / SAMPLE_RATE_HZ * 1000.0
    vector = np.zeros((SAMPLES, 3))
    local = np.zeros((SAMPLES, 3))
    before = np.searchsorted(times, rhythm.r_times_ms - BEAT_WINDOW_MS[0])
    after = np.searchsorted(times, rhythm.r_times_ms + BEAT_WINDOW_MS[1])
    for r_time, kind, first, last in zip(rhythm.r_times_ms, rhythm.classes, before, after, strict=True):
        shape = shapes[kind]
        window = evaluate(shape, times[first:last] - r_time)
        vector[first:last] += _breathe(window, r_time, rhythm.breathing_hz)
        local[first:last] += _nondipolar(times[first:last] - r_time, shape)
    matrix, extra = lead_matrix(rng)
    signal = vector @ matrix.T + local @ extra.T
    if state.atrial_fibrillation:
        signal += fibrillation_waves(state, rng, times)
    noise = electrode_noise(rng, SAMPLES, SAMPLE_RATE_HZ, rhythm.breathing_hz)
    strip = to_counts((signal + noise).T * 1000.0 / RESOLUTION_UV)
    inside = (rhythm.r_times_ms > 0) & (rhythm.r_times_ms < times[-1])
    r_times = rhythm.r_times_ms[inside]
    classes = tuple(np.array(rhythm.classes)[inside].tolist())
    return Ecg(
        strip=strip,
        median=_median_beat(strip, r_times, classes, rhythm.mean_rr_ms),
        beat=beat,
        r_times_ms=r_times,
        beat_classes=classes,
        rr_ms=float(np.mean(np.diff(r_times))) if len(r_times) > 1 else rhythm.mean_rr_ms,
        atrial_fibrillation=state.atrial_fibrillation,
    )


def _breathe(window: Floats, r_time_ms: float, breathing_hz: float) -> Floats:
    """Respiration turns the heart in the frontal plane and changes amplitudes."""
    phase = float(np.sin(2.0 * np.pi * breathing_hz * r_time_ms / 1000.0))
    angle, gain = np.deg2rad(BREATHING_TURN_DEG) * phase, 1.0 + BREATHING_GAIN * phase
    cos, sin = gain * np.cos(angle), gain * np.sin(angle)
    return np.asarray(window @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, gain]]))


def _nondipolar(time_ms: Floats, beat: Beat) -> Floats:
    """Three small templates beside the dipole: without them twelve leads would have rank three."""
    middle, width = beat.qrs_middle_ms, beat.qrs_ms
    early = np.exp(-0.5 * ((time_ms - middle + 0.2 * width) / (0.12 * width)) ** 2)
    late = np.exp(-0.5 * ((time_ms - middle - 0.2 * width) / (0.15 * width)) ** 2)
    wave_t = np.exp(-0.5 * ((time_ms - beat.t_peak_ms) / 40.0) ** 2)
    return beat.fragmentation * np.stack([early, late, wave_t], axis=1)


def _median_beat(strip: Counts, r_times_ms: Floats, classes: tuple[str, ...], rr_ms: float) -> Counts:
    """Median of the dominant beats, (12, 600), zero where the neighbouring beats begin."""
    positions = np.round(r_times_ms * SAMPLE_RATE_HZ / 1000.0).astype(int)
    starts = [p - MEDIAN_R_INDEX for p, kind in zip(positions, classes, strict=True) if kind == "dominant"]
    starts = [s for s in starts if s >= 0 and s + MEDIAN_SAMPLES <= SAMPLES] or [SAMPLES // 2 - MEDIAN_R_INDEX]
    independent = strip[list(INDEPENDENT_LEADS)].astype(np.float64)
    beats = np.stack([independent[:, s : s + MEDIAN_SAMPLES] for s in starts])
    # Each beat's own baseline: the PR segment's level, 60 ms before R.
    beats -= np.median(beats[:, :, MEDIAN_R_INDEX - 35 : MEDIAN_R_INDEX - 27], axis=2, keepdims=True)
    median = np.median(beats, axis=0)
    sample = np.arange(MEDIAN_SAMPLES) - MEDIAN_R_INDEX
    rr = rr_ms * SAMPLE_RATE_HZ / 1000.0
    edge = np.clip((sample + 0.42 * rr) / 12.0, 0.0, 1.0) * np.clip((0.62 * rr - sample) / 12.0, 0.0, 1.0)
    return to_counts(median * edge)
