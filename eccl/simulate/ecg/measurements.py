"""What the electrocardiograph's own program reports about a recording: intervals, axes and the table of waves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.ecg.dipole import QRS_ONSET_MS, evaluate
from eccl.simulate.ecg.electrodes import DOWER
from eccl.simulate.ecg.render import MEDIAN_R_INDEX, RESOLUTION_UV, SAMPLE_RATE_HZ, Ecg
from eccl.simulate.heart.physiology import Floats

MS_PER_SAMPLE = 1000 // SAMPLE_RATE_HZ
SMALLEST_WAVE_UV = 20  # smaller deflections are not reported as waves
Table = dict[str, tuple[str, list[int | None]]]


@dataclass(frozen=True, slots=True)
class Measurements:
    """Numbers of RestingECGMeasurements; None where the program leaves an element empty, marks in ms of the median."""

    ventricular_rate: int
    pq_ms: int | None
    p_ms: int | None
    qrs_ms: int
    qt_ms: int
    qtc_ms: int
    rr_ms: int
    pp_ms: int | None
    p_axis: int | None
    r_axis: int
    t_axis: int
    qrs_count: int
    p_onset_ms: int | None
    p_offset_ms: int | None
    q_onset_ms: int
    q_offset_ms: int
    t_offset_ms: int


def _even(value: float) -> int:
    """Round to the recorder's 2 ms grid."""
    return 2 * round(value / 2.0)


def measure(ecg: Ecg) -> Measurements:
    """Measure a recording as 12SL would report it (whole ms, BPM, degrees); Bazett's correction."""
    beat, origin = ecg.beat, MEDIAN_R_INDEX * MS_PER_SAMPLE
    q_onset = _even(origin + QRS_ONSET_MS)
    rr = round(ecg.rr_ms)
    pr, p, qrs, qt = _even(beat.pr_ms), _even(beat.p_ms), _even(beat.qrs_ms), _even(beat.qt_ms)
    axes = _axes(ecg)
    return Measurements(
        ventricular_rate=round(60_000.0 / ecg.rr_ms),
        pq_ms=pr if beat.has_p else None,
        p_ms=p if beat.has_p else None,
        qrs_ms=qrs,
        qt_ms=qt,
        qtc_ms=round(qt / np.sqrt(ecg.rr_ms / 1000.0)),
        rr_ms=rr,
        pp_ms=rr if beat.has_p else None,
        p_axis=axes[0] if beat.has_p else None,
        r_axis=axes[1],
        t_axis=axes[2],
        qrs_count=len(ecg.r_times_ms),
        p_onset_ms=q_onset - pr if beat.has_p else None,
        p_offset_ms=q_onset - pr + p if beat.has_p else None,
        q_onset_ms=q_onset,
        q_offset_ms=q_onset + qrs,
        t_offset_ms=q_onset + qt,
    )


def _axes(ecg: Ecg) -> tuple[int, int, int]:
    """Frontal axes of P, QRS and T, degrees, from the area of each wave in leads I and aVF."""
    beat = ecg.beat
    windows = (
        (QRS_ONSET_MS - beat.pr_ms, QRS_ONSET_MS - beat.pr_ms + beat.p_ms),
        (QRS_ONSET_MS, QRS_ONSET_MS + beat.qrs_ms),
        (QRS_ONSET_MS + beat.qrs_ms + 40.0, QRS_ONSET_MS + beat.qt_ms),
    )
    out = []
    for first, last in windows:
        vector = evaluate(beat, np.arange(first, last, 2.0)).sum(axis=0)
        one, two = DOWER[0] @ vector, DOWER[1] @ vector
        foot = (2.0 * two - one) / np.sqrt(3.0)  # aVF scaled to the length of a bipolar lead
        out.append(round(float(np.degrees(np.arctan2(foot, one)))))
    return out[0], out[1], out[2]


def measurement_table(ecg: Ecg, marks: Measurements) -> Table:
    """The 18 rows of MeasurementTable: name -> (unit, one value or None per lead).

    Amplitudes are uV in the median beat relative to the level before QRS, S and Q given as positive depths.
    """
    uv = ecg.median.astype(np.float64) * RESOLUTION_UV
    rows: Table = {name: (unit, [None] * 12) for name, unit in _ROWS}
    for lead in range(12):
        for name, value in _lead_waves(uv[lead], marks).items():
            rows[name][1][lead] = value
    return rows


_ROWS = (
    ("QDuration", "ms"),
    ("RDuration", "ms"),
    ("SDuration", "ms"),
    ("RpDuration", "ms"),
    ("PAmplitude", "uV"),
    ("QAmplitude", "uV"),
    ("RAmplitude", "uV"),
    ("SAmplitude", "uV"),
    ("R1Amplitude", "uV"),
    ("S1Amplitude", "uV"),
    ("JAmplitude", "uV"),
    ("JXAmplitude", "uV"),
    ("TAmplitude", "uV"),
    ("JXSlope", "uV/s"),
    ("R1Duration", "ms"),
    ("P1Amplitude", "uV"),
    ("JXEAmplitude", "uV"),
    ("T1Amplitude", "uV"),
)


def _lead_waves(uv: Floats, marks: Measurements) -> dict[str, int]:
    onset, offset = marks.q_onset_ms // MS_PER_SAMPLE, marks.q_offset_ms // MS_PER_SAMPLE
    end = min(marks.t_offset_ms // MS_PER_SAMPLE, len(uv) - 1)
    found = _qrs_waves(uv[onset:offset])
    found["JAmplitude"] = round(uv[offset])
    found["JXAmplitude"] = round(uv[min(offset + 30, end)])
    found["JXEAmplitude"] = round(uv[min(offset + 45, end)])
    segment_t = uv[min(offset + 20, end - 1) : end]
    found["TAmplitude"] = round(segment_t[np.argmax(np.abs(segment_t))])
    if marks.p_onset_ms is not None and marks.p_offset_ms is not None:
        segment_p = uv[max(marks.p_onset_ms // MS_PER_SAMPLE, 0) : max(marks.p_offset_ms // MS_PER_SAMPLE, 1)]
        if segment_p.size:
            found["PAmplitude"] = round(segment_p[np.argmax(np.abs(segment_p))])
    return {name: value for name, value in found.items() if abs(value) > 0}


def _qrs_waves(qrs: Floats) -> dict[str, int]:
    """Name the deflections of one QRS: runs of one sign in order, first negative Q, first positive R, then S, R'."""
    sign: NDArray[np.int64] = np.sign(np.where(np.abs(qrs) < SMALLEST_WAVE_UV, 0.0, qrs)).astype(np.int64)
    edges = np.flatnonzero(np.diff(sign)) + 1
    found: dict[str, int] = {}
    for run in np.split(np.arange(len(qrs)), edges):
        if sign[run[0]] == 0:
            continue
        peak = round(float(np.abs(qrs[run]).max()))
        if sign[run[0]] > 0:
            name = "R" if "RAmplitude" not in found else "R1"
        else:
            name = "Q" if "RAmplitude" not in found else "S"
        if f"{name}Amplitude" not in found:
            found[f"{name}Amplitude"] = peak
            found[f"{name}Duration"] = len(run) * MS_PER_SAMPLE
    return found
