"""When the beats come: sinus rhythm with respiratory and slow variability, ectopy, or atrial fibrillation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import ELECTRICAL_LATENTS, HeartState

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

    The atria lie under V1, too near for a dipole in the heart's middle: the leads have weights of their own.
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
