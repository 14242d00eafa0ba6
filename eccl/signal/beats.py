"""Where the heart beats: QRS energy of a recording and the RR interval that follows from it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import signal

Float = npt.NDArray[np.float64]
RrSource = Literal["device", "signal", "default"]

RATE_LIMITS_BPM = (20.0, 300.0)
"""Ventricular rates outside these limits are taken as not measured."""
DEFAULT_RR_SECONDS = 1.0
"""RR interval where neither the device nor the signal gives one: 60 beats per minute."""

_QRS_BAND_HZ = (5.0, 20.0)
_QRS_WIDTH_S = 0.1
_REFRACTORY_S = 60.0 / RATE_LIMITS_BPM[1]
# Share of the tallest candidates' energy that a QRS complex has at least; T waves stay below.
_ENERGY_SHARE = 0.3
_MIN_BEATS = 3
# Intervals far from the median come from missed or false beats; atrial fibrillation stays inside.
_INTERVAL_RANGE = (0.5, 1.6)


@lru_cache(maxsize=8)  # designing a filter takes longer than applying it to a lead
def _qrs_filter(sample_rate_hz: float) -> Float:
    sections: Float = signal.butter(2, _QRS_BAND_HZ, btype="bandpass", fs=sample_rate_hz, output="sos")
    return sections


def measure_qrs_energy(ecg_uv: npt.ArrayLike, sample_rate_hz: float) -> Float:
    """Measure the energy of the QRS band over all leads.

    Each lead is band-passed to 5-20 Hz without phase shift, scaled to unit root mean square so that no lead counts
    more than another, squared, averaged over leads and smoothed over 100 ms.

    Parameters
    ----------
    ecg_uv
        (lead, sample) microvolts; flat leads are left out.
    sample_rate_hz
        Samples per second; more than 40.

    Returns
    -------
    (sample,) float64
        Dimensionless, mean about 1; all zero where no lead has a signal.
    """
    ecg = np.asarray(ecg_uv, dtype=np.float64)
    # a padded filter needs some samples to start from
    if ecg.shape[-1] < sample_rate_hz / 2 or not np.isfinite(ecg).all():
        return np.zeros(ecg.shape[-1])
    leads = ecg[np.ptp(ecg, axis=-1) > 0]
    if len(leads) == 0:
        return np.zeros(ecg.shape[-1])
    banded = signal.sosfiltfilt(_qrs_filter(sample_rate_hz), leads, axis=-1)
    power = np.mean(banded**2, axis=-1, keepdims=True)
    scaled = np.divide(banded**2, power, out=np.zeros_like(banded), where=power > 0).mean(axis=0)
    width = max(1, round(_QRS_WIDTH_S * sample_rate_hz))
    smooth: Float = np.convolve(scaled, np.full(width, 1.0 / width), mode="same")
    return smooth


def find_beats(ecg_uv: npt.ArrayLike, sample_rate_hz: float) -> npt.NDArray[np.int64]:
    """Find QRS complexes.

    Parameters
    ----------
    ecg_uv
        (lead, sample) microvolts.

    Returns
    -------
    (beat,) int64
        Sample of each complex's peak energy, ascending; empty where there is no signal.
    """
    energy = measure_qrs_energy(ecg_uv, sample_rate_hz)
    distance = max(1, round(_REFRACTORY_S * sample_rate_hz))
    candidates, _ = signal.find_peaks(energy, distance=distance)
    if len(candidates) == 0:
        return np.empty(0, dtype=np.int64)
    threshold = _ENERGY_SHARE * np.percentile(energy[candidates], 90)
    beats: npt.NDArray[np.int64] = candidates[energy[candidates] >= threshold].astype(np.int64)
    return beats


def estimate_rr_samples(ecg_uv: npt.ArrayLike, sample_rate_hz: float) -> int | None:
    """Estimate the mean RR interval from the signal itself.

    Parameters
    ----------
    ecg_uv
        (12, sample) microvolts, raw or clean.
    sample_rate_hz
        Samples per second.

    Returns
    -------
    int or None
        Mean of the plausible intervals between beats, in samples; None where fewer than three beats are found or the
        rate is outside 20 to 300 beats per minute.
    """
    beats = find_beats(ecg_uv, sample_rate_hz)
    if len(beats) < _MIN_BEATS:
        return None
    intervals = np.diff(beats).astype(np.float64)
    ratio = intervals / np.median(intervals)
    mean = float(intervals[(ratio >= _INTERVAL_RANGE[0]) & (ratio <= _INTERVAL_RANGE[1])].mean())
    return round(mean) if _is_plausible(60.0 * sample_rate_hz / mean) else None


def rr_period_samples(rate_bpm: float, sample_rate_hz: float) -> int:
    """Turn a heart rate into one RR interval in whole samples, rounded down as in the reference method.

    Raises
    ------
    ValueError
        The rate or the sample rate is not a positive number.
    """
    if not (math.isfinite(rate_bpm) and rate_bpm > 0 and math.isfinite(sample_rate_hz) and sample_rate_hz > 0):
        raise ValueError(
            f"found a rate of {rate_bpm} per minute at {sample_rate_hz} Hz; expected two positive numbers; "
            "use choose_period, which falls back to the signal"
        )
    return int(60.0 * sample_rate_hz / rate_bpm)


def choose_period(rate_bpm: float | None, ecg_uv: npt.ArrayLike, sample_rate_hz: float) -> tuple[int, RrSource]:
    """Choose the period of the baseline filter: the device's rate, else the signal's, else a default.

    Parameters
    ----------
    rate_bpm
        Ventricular rate of the device; None, zero, or outside 20 to 300 counts as not measured.
    ecg_uv
        (12, sample) microvolts, for the estimate.

    Returns
    -------
    period
        One RR interval in samples, never longer than the signal.
    source
        ``device``, ``signal``, or ``default`` (:data:`DEFAULT_RR_SECONDS`) where neither gives a rate.
    """
    source: RrSource
    if rate_bpm is not None and _is_plausible(rate_bpm):
        period, source = rr_period_samples(rate_bpm, sample_rate_hz), "device"
    elif (estimate := estimate_rr_samples(ecg_uv, sample_rate_hz)) is not None:
        period, source = estimate, "signal"
    else:
        period, source = round(DEFAULT_RR_SECONDS * sample_rate_hz), "default"
    longest = max(1, int(np.shape(ecg_uv)[-1]) - 1)
    return min(period, longest), source


def _is_plausible(rate_bpm: float) -> bool:
    return math.isfinite(rate_bpm) and RATE_LIMITS_BPM[0] <= rate_bpm <= RATE_LIMITS_BPM[1]
