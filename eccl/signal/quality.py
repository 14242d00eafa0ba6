"""How good a recording is, in numbers that need no reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import signal

from eccl.signal.beats import measure_qrs_energy

# Amplifier rails hold longer than this; the top of a smooth, small T wave quantised at 5 uV does not.
_SATURATED_RUN_S = 0.03
_NOISE_ABOVE_HZ = 30.0
# The quieter half of the recording in the QRS band is taken as between beats.
_BETWEEN_BEATS_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class EcgQuality:
    """Quality of one recording; the fields are columns of table ``recordings``.

    Attributes
    ----------
    flat_leads
        Leads without any signal.
    saturated_fraction
        Share of all samples in runs of 30 ms or longer at the extreme value of their lead.
    baseline_rms_uv
        Root mean square of the removed baseline around its mean, largest lead.
    noise_rms_uv
        Root mean square above 30 Hz between beats, median of the leads that have a signal.
    amplitude_p99_uv
        99th percentile of the absolute clean signal, largest lead.
    """

    flat_leads: int
    saturated_fraction: float
    baseline_rms_uv: float
    noise_rms_uv: float
    amplitude_p99_uv: float


def measure_quality(raw_uv: npt.ArrayLike, clean_uv: npt.ArrayLike, sample_rate_hz: float) -> EcgQuality:
    """Measure the quality of a recording.

    Parameters
    ----------
    raw_uv, clean_uv
        (12, sample) microvolts before and after baseline removal.
    sample_rate_hz
        Samples per second; more than 60.

    Returns
    -------
    EcgQuality
        Finite for every finite input, flat leads included.

    Raises
    ------
    ValueError
        The two signals differ in shape.
    """
    raw = np.asarray(raw_uv, dtype=np.float64)
    clean = np.asarray(clean_uv, dtype=np.float64)
    if raw.shape != clean.shape or raw.ndim != 2:
        raise ValueError(f"found shapes {raw.shape} and {clean.shape}; expected twice the same (lead, sample)")
    is_flat = np.ptp(raw, axis=-1) == 0
    baseline = raw - clean
    return EcgQuality(
        flat_leads=int(is_flat.sum()),
        saturated_fraction=_measure_saturation(raw[~is_flat], sample_rate_hz, raw.size),
        baseline_rms_uv=float(baseline.std(axis=-1).max()),
        noise_rms_uv=_measure_noise(clean[~is_flat], sample_rate_hz),
        amplitude_p99_uv=float(np.percentile(np.abs(clean), 99, axis=-1).max()),
    )


def _measure_saturation(leads: npt.NDArray[np.float64], sample_rate_hz: float, size: int) -> float:
    shortest = max(2, round(_SATURATED_RUN_S * sample_rate_hz))
    extremes = (leads.max(axis=-1, keepdims=True), leads.min(axis=-1, keepdims=True)) if len(leads) else ()
    return sum(_count_in_runs(leads == extreme, shortest) for extreme in extremes) / size


def _count_in_runs(is_hit: npt.NDArray[np.bool_], shortest: int) -> int:
    """Count true samples in runs of at least `shortest` along the last axis."""
    edges = np.diff(np.pad(is_hit.astype(np.int8), ((0, 0), (1, 1))), axis=-1)
    # row by row, starts and ends alternate, so the flattened positions pair up
    starts, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
    lengths = ends - starts
    return int(lengths[lengths >= shortest].sum())


@lru_cache(maxsize=8)
def _noise_filter(sample_rate_hz: float) -> npt.NDArray[np.float64]:
    sections: npt.NDArray[np.float64] = signal.butter(
        4, _NOISE_ABOVE_HZ, btype="highpass", fs=sample_rate_hz, output="sos"
    )
    return sections


def _measure_noise(leads: npt.NDArray[np.float64], sample_rate_hz: float) -> float:
    if len(leads) == 0 or leads.shape[-1] < sample_rate_hz / 2:
        return 0.0
    high = signal.sosfiltfilt(_noise_filter(sample_rate_hz), leads, axis=-1)
    energy = measure_qrs_energy(leads, sample_rate_hz)
    is_between = energy <= np.quantile(energy, _BETWEEN_BEATS_SHARE)
    rms = np.sqrt(np.mean(high[:, is_between] ** 2, axis=-1))
    return float(np.median(rms))
