"""Write an ECG as CardioSoft V6.73 exports it (field 20205): element order, CRLF, tabs and line wrapping included.

Layout from real files of that program (``cardiosoft.xml.jinja``): the first line of a waveform holds 301 values, the next
300 each, every line but the last ends with a comma, lines begin with as many tabs as the element itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eccl.readers.ecg.cardiosoft import LEADS
from eccl.simulate.ecg.electrodes import inverse_dower
from eccl.simulate.ecg.measurements import measure, measurement_table
from eccl.simulate.ecg.render import MEDIAN_SAMPLES, RESOLUTION_UV, SAMPLE_RATE_HZ, SAMPLES, Ecg
from eccl.templates import render

FIRST_LINE_VALUES, LINE_VALUES = 301, 300
FULL_DISCLOSURE_SAMPLES = 162_000
TEMPLATE = "simulate/ecg/cardiosoft.xml.jinja"


@dataclass(frozen=True, slots=True)
class EcgHeader:
    """The texts around a signal: a pseudo-id (never the eid), the time, and what the technician typed."""

    pseudo_id: str
    given_name: str
    study_uid: str
    moment: datetime
    male: bool
    age_years: int
    birth_year: int
    height_cm: int
    weight_kg: float
    diagnosis: tuple[str, ...]


def write_ecg_xml(ecg: Ecg, header: EcgHeader, *, full_disclosure: bool = False) -> bytes:
    """Serialise a recording.

    Parameters
    ----------
    full_disclosure
        Append the block of 162,000 samples per lead that makes UK Biobank's files several MB.

    Returns
    -------
    bytes
        ISO-8859-1 text with CRLF line ends.
    """
    m = measure(ecg)
    marks = {"POnset": m.p_onset_ms, "POffset": m.p_offset_ms, "QOnset": m.q_onset_ms, "QOffset": m.q_offset_ms}
    marks["TOffset"] = m.t_offset_ms
    text = render(
        TEMPLATE,
        header=header,
        m={name: _text(value) for name, value in asdict(m).items()},
        table=[(name, unit, map(_text, values)) for name, (unit, values) in measurement_table(ecg, m).items()],
        # The same marks as among the measurements, here in samples.
        marks=[(name, "" if ms is None else str(ms // 2)) for name, ms in marks.items()],
        loops=_vector_loops(ecg),
        leads=LEADS,
        rate_hz=SAMPLE_RATE_HZ,
        resolution_uv=RESOLUTION_UV,
        samples=SAMPLES,
        median_samples=MEDIAN_SAMPLES,
        median=[(lead, _wave(3, values)) for lead, values in zip(LEADS, ecg.median, strict=True)],
        strip=[(lead, _wave(2, values)) for lead, values in zip(LEADS, ecg.strip, strict=True)],
        # Times are on a 5 ms grid in real files.
        beats=[(5 * round(t / 5.0), kind) for t, kind in zip(ecg.r_times_ms, ecg.beat_classes, strict=True)],
        disclosure=_full_disclosure(ecg) if full_disclosure else "",
        disclosure_samples=FULL_DISCLOSURE_SAMPLES,
    )
    return text.replace("\n", "\r\n").encode("iso-8859-1")


def _text(value: int | None) -> str:
    """Return a number as text; an electrocardiograph leaves the element of a missing one empty."""
    return "" if value is None else str(value)


def _wave(depth: int, values: NDArray[np.int16]) -> str:
    """Wrap samples into lines that begin with the tabs of their element."""
    tabs = "\t" * depth
    words = list(map(str, values.tolist()))
    cuts = [0, *range(FIRST_LINE_VALUES, len(words), LINE_VALUES), len(words)]
    return tabs + f",\n{tabs}".join(",".join(words[a:b]) for a, b in pairwise(cuts))


def _vector_loops(ecg: Ecg) -> list[tuple[str, str, str]]:
    """Return plane, lead and samples of the six projections of the median beat's vector."""
    x, y, z = inverse_dower(ecg.median)[:, : MEDIAN_SAMPLES - 1]
    pairs = {"Frontal": {"X": x, "-Y": -y}, "Horizontal": {"X": x, "Z": z}, "Sagittal": {"-Z": -z, "-Y": -y}}
    return [(plane, lead, _wave(2, values)) for plane, loops in pairs.items() for lead, values in loops.items()]


def _full_disclosure(ecg: Ecg) -> str:
    """The long recording: the strip repeated, because no reader uses its content."""
    repeats = -(-FULL_DISCLOSURE_SAMPLES // SAMPLES)
    # One second of each lead in turn, one line each, with a comma even after the last value.
    seconds = ecg.strip.reshape(12, SAMPLES // SAMPLE_RATE_HZ, SAMPLE_RATE_HZ).transpose(1, 0, 2)
    lines = ["\t\t\t" + ",".join(map(str, row.tolist())) + "," for second in seconds for row in second]
    return "\n".join((lines * repeats)[: FULL_DISCLOSURE_SAMPLES // SAMPLE_RATE_HZ * 12])
