"""From a dipole to twelve leads: Dower's matrix, electrode placement, noise at the nine electrodes, integer counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.physiology import Floats

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
NONDIPOLAR_MV = 0.05  # 5 to 8 % of QRS [P]

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
    matrix = matrix + 0.03 * rng.standard_normal((8, 3))
    return matrix, NONDIPOLAR_MV * rng.standard_normal((8, 3))


def electrode_noise(rng: np.random.Generator, samples: int, rate_hz: int) -> Floats:
    """Wander, muscle and mains noise made at the electrodes, seen through the leads: (samples, 8), mV [M]."""
    frequency = np.fft.rfftfreq(samples, 1.0 / rate_hz)
    wander_mv = 0.01 * np.exp(0.5 * rng.standard_normal((9, 1)))
    muscle_mv = (0.03 if rng.random() < 0.10 else 0.005) * np.exp(0.3 * rng.standard_normal((9, 1)))
    slow = np.where((frequency > 0) & (frequency < 1.0), 1.0 / np.sqrt(np.maximum(frequency, 0.1)), 0.0)
    fast = ((frequency > 20.0) & (frequency < 100.0)).astype(np.float64)  # the recorder's low pass is 100 Hz
    spectrum = rng.standard_normal((9, len(frequency))) + 1j * rng.standard_normal((9, len(frequency)))

    def band(shape: Floats, rms: Floats) -> Floats:
        wave = np.fft.irfft(spectrum * shape, samples, axis=1)
        return np.asarray(wave / wave.std(axis=1, keepdims=True) * rms)

    noise = band(slow, wander_mv) + band(fast, muscle_mv)
    if rng.random() < 0.2:
        phase = 2.0 * np.pi * 50.0 * np.arange(samples) / rate_hz
        noise += 0.003 * rng.standard_normal((9, 1)) * np.sin(phase + rng.uniform(0, 2 * np.pi))
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
