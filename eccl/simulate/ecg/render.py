"""A resting 12-lead ECG from a heart's state: a moving dipole seen through Dower's matrix, noise at the electrodes.

Frank axes: +x left, +y inferior, +z posterior. Dower: Clin Cardiol 1980;3:87. The wave template was fitted to normal
12-lead amplitudes of 64-year-olds; disease and size act on it as listed in :mod:`eccl.simulate.ecg.effects`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.ecg.dipole import QRS_ONSET_MS, Beat, beat_of, ectopic_beat, evaluate, premature_atrial_beat
from eccl.simulate.ecg.electrodes import (
    INDEPENDENT_LEADS,
    electrode_noise,
    lead_matrix,
    to_counts,
)
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import ELECTRICAL_LATENTS, HeartState

SAMPLE_RATE_HZ = 500
SAMPLES = 5000
RESOLUTION_UV = 5
MEDIAN_SAMPLES = 600
MEDIAN_R_INDEX = 240
BEAT_WINDOW_MS = (420.0, 700.0)  # before and after R: everything of a beat above a microvolt
BREATHING_TURN_DEG, BREATHING_GAIN = 4.0, 0.04  # [M] 3 to 5 degrees
SDNN_MS, SDNN_SD_LOG = 20.0, 0.60  # median and spread at 60 years and more [M]
SDNN_PER_YEAR, SDNN_FLAT_FROM = -0.02, 60.0  # RMSSD falls to 15 or 16 ms and is flat from 60 on [S]
LONGEST_SDNN_MS = 110.0
# Two-Gaussian spectrum [S]. A ratio of .5 would make RMSSD larger than SDNN; 1.5 gives the published pair of medians.
LOW_FREQUENCY_HZ, BAND_WIDTH_HZ, LF_OVER_HF = 0.10, 0.02, 1.5
BREATHING_HZ = (0.20, 0.30)  # 12 to 18 a minute [M]
AF_RR_CV, AF_SHORTEST_RR_MS = 0.23, 330.0  # [M]
FIBRILLATION_HZ, FIBRILLATION_DRIFT_HZ = (6.0, 0.8), 0.3  # [M]
FIBRILLATION_MV = 0.042  # peak to peak .1 to .2 mV in V1 [M]
FIBRILLATION_LEADS = (0.15, 0.55, 1.0, 0.65, 0.40, 0.30, 0.25, 0.20)  # I, II, V1 to V6; V1 most, I least [M]
PVC_SHARE, PAC_SHARE = 0.03, 0.04  # of recordings in sinus rhythm [M]
PREMATURE_SHARE = 0.35  # of the mean interval
PAC_RESET_SHARE = 0.25  # the sinus node is reset: the pause after an atrial beat does not compensate all

Counts = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Ecg:
    """A recorded ECG: strip (12, 5000) and median beat (12, 600), int16 counts of 5 uV at 500 Hz, and its beats.

    Limb-lead identities hold exactly up to the rounding of a half count (III = II - I without any).
    `r_times_ms` are R peaks from the start of the strip, `beat_classes` name each ("dominant", "PVC" or "PAC").
    """

    strip: Counts
    median: Counts
    beat: Beat
    r_times_ms: Floats
    beat_classes: tuple[str, ...]
    rr_ms: float
    atrial_fibrillation: bool


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
    middle, width = QRS_ONSET_MS + 0.5 * beat.qrs_ms, beat.qrs_ms
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


@dataclass(frozen=True, slots=True, eq=False)
class Rhythm:
    """R times (ms; the first may precede the strip), the class of each beat, mean RR (ms) and breathing rate (Hz)."""

    r_times_ms: Floats
    classes: tuple[str, ...]
    mean_rr_ms: float
    breathing_hz: float


def draw_rhythm(state: HeartState, rng: np.random.Generator, *, seconds: float) -> Rhythm:
    """Draw R times that cover a strip and a second beyond both ends; classes are "dominant", "PVC" and "PAC"."""
    mean_rr = 60_000.0 / state.heart_rate
    breathing = float(rng.uniform(*BREATHING_HZ))
    count = int(np.ceil((seconds + 3.0) * 1000.0 / mean_rr * 1.4)) + 2
    intervals = (
        _af_intervals(rng, mean_rr, count) if state.atrial_fibrillation else _sinus(state, rng, breathing, count)
    )
    r_times = np.cumsum(intervals) - 1000.0 - rng.uniform(0.0, mean_rr)
    classes = ["dominant"] * count
    if not state.atrial_fibrillation:
        _add_ectopy(rng, r_times, classes, mean_rr)
    keep = (r_times > -900.0) & (r_times < seconds * 1000.0 + 700.0)
    return Rhythm(r_times[keep], tuple(np.array(classes)[keep].tolist()), mean_rr, breathing)


def _add_ectopy(rng: np.random.Generator, r_times: Floats, classes: list[str], mean_rr: float) -> None:
    """Make one beat of some recordings premature, in place; ventricular ones leave the sinus node alone."""
    ventricular, atrial = rng.random(2)
    early = int(np.searchsorted(r_times, rng.uniform(2000.0, 7000.0)))
    if ventricular < PVC_SHARE:
        r_times[early] -= PREMATURE_SHARE * mean_rr  # the next sinus beat keeps its time: a compensatory pause
        classes[early] = "PVC"
    elif atrial < PAC_SHARE:
        r_times[early] -= PREMATURE_SHARE * mean_rr
        r_times[early + 1 :] -= PAC_RESET_SHARE * mean_rr
        classes[early] = "PAC"


def _sinus(state: HeartState, rng: np.random.Generator, breathing_hz: float, count: int) -> Floats:
    mean_rr = 60_000.0 / state.heart_rate
    latent = state.electrical[ELECTRICAL_LATENTS.index("variability")]
    younger = min(state.age_years - SDNN_FLAT_FROM, 0.0)
    sdnn = SDNN_MS * np.exp(SDNN_SD_LOG * latent + SDNN_PER_YEAR * younger) * (mean_rr / 960.0) ** 1.5
    sdnn = min(sdnn, LONGEST_SDNN_MS)
    beat_time = np.arange(count) * mean_rr / 1000.0
    swing = np.zeros(count)
    for centre, power in ((LOW_FREQUENCY_HZ, LF_OVER_HF), (breathing_hz, 1.0)):
        # A few sine waves around the band's centre have its spectrum and random phases.
        for offset in np.linspace(-1.5, 1.5, 7):
            weight = np.sqrt(power * np.exp(-0.5 * offset**2))
            frequency = centre + offset * BAND_WIDTH_HZ
            swing += weight * np.sin(2.0 * np.pi * frequency * beat_time + rng.uniform(0.0, 2.0 * np.pi))
    swing /= max(float(swing.std()), 1e-6)
    return np.asarray(np.clip(mean_rr + sdnn * swing, 0.75 * mean_rr, 1.35 * mean_rr))


def _af_intervals(rng: np.random.Generator, mean_rr: float, count: int) -> Floats:
    shape = 1.0 / AF_RR_CV**2
    return np.asarray(np.maximum(rng.gamma(shape, mean_rr / shape, count), AF_SHORTEST_RR_MS))


def fibrillation_waves(state: HeartState, rng: np.random.Generator, time_ms: Floats) -> Floats:
    """Fibrillatory waves in I, II, V1 to V6, (n, 8) mV: 4 to 9 Hz with three harmonics, waxing and waning [M].

    The atria are under V1, too near for a dipole in the heart's middle: the leads have weights of their own.
    """
    seconds = time_ms / 1000.0
    base = float(np.clip(rng.normal(*FIBRILLATION_HZ), 4.0, 9.0))
    drift = FIBRILLATION_DRIFT_HZ * np.sin(2.0 * np.pi * 0.2 * seconds + rng.uniform(0.0, 2.0 * np.pi))
    phase = 2.0 * np.pi * np.cumsum(base + drift) * (seconds[1] - seconds[0])
    # Coarser waves with a larger atrium, weakly.
    amplitude = FIBRILLATION_MV * (state.la_max / 90.0) ** 0.3 * np.exp(0.25 * rng.standard_normal())
    envelope = 1.0 + 0.3 * np.sin(2.0 * np.pi * 0.15 * seconds + rng.uniform(0.0, 2.0 * np.pi))
    wave = sum(np.sin(m * phase) / m for m in (1, 2, 3)) * envelope * amplitude
    return np.asarray(np.outer(wave, FIBRILLATION_LEADS))
