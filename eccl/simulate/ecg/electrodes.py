"""From a dipole to twelve leads: Dower's matrix, electrode placement, noise at the nine electrodes, integer counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.heart.physiology import Floats

# Leads I, II, V1..V6 from Frank x, y, z. The four other limb leads follow from I and II.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# Frank x, y, z from V1..V6, I, II (Edenbrandt and Pahlm 1988): another matrix, not the transpose of the above.
INVERSE_DOWER = np.array(
    [
        [-0.172, -0.074, 0.122, 0.231, 0.239, 0.194, 0.156, -0.010],
        [0.057, -0.019, -0.106, -0.022, 0.041, 0.048, -0.227, 0.887],
        [-0.229, -0.310, -0.246, -0.063, 0.055, 0.108, 0.022, 0.102],
    ]
)
# Positions of I, II, V1..V6 among the twelve leads.
INDEPENDENT_LEADS = (0, 1, 6, 7, 8, 9, 10, 11)

# Electrode placement changes each lead's view of the dipole; V1 and V2 most [P].
PLACEMENT_SD = np.array([0.06, 0.06, 0.12, 0.12, 0.08, 0.08, 0.08, 0.08])
PLACEMENT_MV_PER_MV = 0.03
NONDIPOLAR_MV = 0.05  # 5 to 8 % of QRS [P]
# V1 and V2 an interspace or two too high is the commonest fault [M]: they lose R, see P from above, and show an r'.
HIGH_V1_V2_SHARE, HIGH_V1_V2_SCALE, HIGH_V1_V2_Y = 0.20, (0.65, 0.95), (-0.40, -0.10)
SWAPPED_ARMS_SHARE = 0.004  # right and left arm cables exchanged [M]

# Noise in mV at the recorder's output [M].
WANDER_RMS_MV, WANDER_SD_LOG, BREATHING_SHARE = 0.012, 0.5, 0.6
MUSCLE_RMS_MV, MUSCLE_SD_LOG, TENSE_RMS_MV, TENSE_SHARE = 0.005, 0.3, 0.03, 0.10
MUSCLE_BAND_HZ = (20.0, 100.0)  # the recorder's low pass is 100 Hz
MAINS_HZ, MAINS_RMS_MV, MAINS_SHARE = 50.0, 0.004, 0.20
CONTACT_STEP_SHARE, CONTACT_STEP_MV, CONTACT_DECAY_S = 0.01, (0.1, 0.5), 1.2

# (I, II, V1..V6) from electrodes (RA, LA, LL, C1..C6).
_LEAD_OF_ELECTRODE = np.zeros((8, 9))
_LEAD_OF_ELECTRODE[0, [0, 1]] = (-1.0, 1.0)
_LEAD_OF_ELECTRODE[1, [0, 2]] = (-1.0, 1.0)
for _chest in range(6):
    _LEAD_OF_ELECTRODE[2 + _chest, :3] = -1.0 / 3.0  # Wilson's terminal
    _LEAD_OF_ELECTRODE[2 + _chest, 3 + _chest] = 1.0


def lead_matrix(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One recording's view: perturbed Dower matrix (8, 3), and weights (8, 3) of the non-dipolar templates, mV."""
    matrix = DOWER * (1.0 + PLACEMENT_SD[:, None] * rng.standard_normal((8, 3)))
    matrix = matrix + PLACEMENT_MV_PER_MV * rng.standard_normal((8, 3))
    local = NONDIPOLAR_MV * rng.standard_normal((8, 3))
    high, swapped = rng.random(2)
    scale, upward = rng.uniform(*HIGH_V1_V2_SCALE), rng.uniform(*HIGH_V1_V2_Y)
    if high < HIGH_V1_V2_SHARE:
        matrix[2:4] *= scale
        matrix[2:4, 1] += upward
    if swapped < SWAPPED_ARMS_SHARE:
        # Lead I is turned over and II becomes III; the chest leads' reference does not change.
        for view in (matrix, local):
            view[:2] = (-view[0], view[1] - view[0])
    return matrix, local


def electrode_noise(rng: np.random.Generator, samples: int, rate_hz: int, breathing_hz: float = 0.25) -> Floats:
    """Wander, muscle, mains and loose contacts made at the electrodes, seen through the leads: (samples, 8), mV."""
    frequency = np.fft.rfftfreq(samples, 1.0 / rate_hz)
    wander = WANDER_RMS_MV * np.exp(WANDER_SD_LOG * rng.standard_normal((9, 1)))
    tension = TENSE_RMS_MV if rng.random() < TENSE_SHARE else MUSCLE_RMS_MV
    muscle = tension * np.exp(MUSCLE_SD_LOG * rng.standard_normal((9, 1)))
    low, high = MUSCLE_BAND_HZ
    power = np.zeros((9, len(frequency)))
    slow = np.flatnonzero((frequency > 0) & (frequency < 1.0))
    drifting = 1.0 / frequency[slow] + 4.0 * BREATHING_SHARE * np.exp(
        -0.5 * ((frequency[slow] - breathing_hz) / 0.05) ** 2
    )
    power[:, slow] = wander**2 * drifting / drifting.sum()
    fast = np.flatnonzero((frequency > low) & (frequency < high))
    power[:, fast] = muscle**2 / len(fast)
    phases = rng.standard_normal((9, len(frequency), 2)).view(np.complex128)[..., 0]
    # One inverse transform for both bands; a wave of unit coefficient has an amplitude of 2 / samples.
    noise = np.fft.irfft(phases * np.sqrt(power) * (samples / 2.0), samples, axis=1)
    time = np.arange(samples) / rate_hz
    mains, contact = rng.random(2)
    if mains < MAINS_SHARE:
        phase = 2.0 * np.pi * MAINS_HZ * time + rng.uniform(0, 2 * np.pi)
        noise += MAINS_RMS_MV * rng.standard_normal((9, 1)) * np.sqrt(2.0) * np.sin(phase)
    if contact < CONTACT_STEP_SHARE:
        at = rng.uniform(0.5, time[-1] - 0.5)
        step = rng.choice([-1.0, 1.0]) * rng.uniform(*CONTACT_STEP_MV)
        noise[int(rng.integers(9))] += step * (time >= at) * np.exp(-np.maximum(time - at, 0.0) / CONTACT_DECAY_S)
    return np.asarray(noise.T @ _LEAD_OF_ELECTRODE.T)


def to_counts(independent: Floats) -> NDArray[np.int16]:
    """Round eight leads and derive the four others in integers.

    Parameters
    ----------
    independent
        I, II, V1..V6 in counts, (8, n).

    Returns
    -------
    (12, n) int16
        III = II - I exactly; aVR, aVL and aVF are half sums, halves rounded up as CardioSoft does.
    """
    whole = np.rint(independent).astype(np.int64)
    one, two = whole[0], whole[1]
    limb = [one, two, two - one, -((one + two) // 2), -((two - 2 * one) // 2), -((one - 2 * two) // 2)]
    counts = np.concatenate([np.stack(limb), whole[2:]])
    return np.asarray(np.clip(counts, -32768, 32767), dtype=np.int16)


def inverse_dower(twelve: NDArray[np.int16]) -> NDArray[np.int16]:
    """Frank X, Y, Z (3, n) of twelve leads (12, n), in the same counts."""
    chest_first = twelve[[6, 7, 8, 9, 10, 11, 0, 1]].astype(np.float64)
    return np.rint(INVERSE_DOWER @ chest_first).astype(np.int16)
