"""Baseline removal: subtract a moving average over one RR interval.

The paper removes the baseline with a seasonal decomposition whose period is one RR interval. Only the trend of that
decomposition is used, and the trend is a centred moving average, so the average is all that is computed here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]


def measure_trend(ecg: npt.ArrayLike, period: int) -> Float:
    """Measure the centred moving average over one period.

    An odd period has that many equal weights. An even one has ``period + 1`` taps, the outer two with half weight, so
    that the average stays centred on a sample. Where the window leaves the signal, the nearest defined value is held.

    Parameters
    ----------
    ecg
        (..., sample), any unit.
    period
        Samples of one RR interval.

    Returns
    -------
    (..., sample) float64

    Raises
    ------
    ValueError
        The period is not positive, or the window does not fit into the signal.

    Notes
    -----
    Equal to the trend of statsmodels' ``seasonal_decompose(x, period=period, two_sided=True)`` where that is defined.
    """
    observed = np.asarray(ecg, dtype=np.float64)
    half = period // 2
    n = observed.shape[-1]
    if period < 1 or n < 2 * half + 1:
        raise ValueError(
            f"found a period of {period} samples for a signal of {n}; expected 1 to {n - 1 if n % 2 == 0 else n}; "
            "choose the period with choose_period"
        )
    # A sum over an offset-free signal keeps rounding errors small.
    offset = observed.mean(axis=-1, keepdims=True)
    total = np.zeros((*observed.shape[:-1], n + 1))
    np.cumsum(observed - offset, axis=-1, out=total[..., 1:])
    if period % 2:
        defined = (total[..., period:] - total[..., :-period]) / period
    else:
        # mean of the two windows of `period` samples half a sample left and right of the centre
        window = total[..., period:] - total[..., :-period]
        defined = (window[..., :-1] + window[..., 1:]) / (2 * period)
    trend = np.empty_like(observed)
    trend[..., half : n - half] = defined
    trend[..., :half] = defined[..., :1]
    trend[..., n - half :] = defined[..., -1:]
    trend += offset
    return trend


def remove_baseline(ecg: npt.ArrayLike, period: int) -> Float:
    """Remove the slow baseline: observed minus trend.

    Parameters
    ----------
    ecg
        (..., sample) float or integer, any unit; each lead by itself.
    period
        Samples of one RR interval, from :func:`eccl.signal.beats.choose_period`.

    Returns
    -------
    (..., sample) float64
        In the unit of `ecg`. A flat lead becomes zero.

    Raises
    ------
    ValueError
        See :func:`measure_trend`.
    """
    return np.asarray(ecg, dtype=np.float64) - measure_trend(ecg, period)
