"""Resting ECG of field 20205: a CardioSoft XML becomes twelve leads in microvolts.

Participant, visit and array index come from the file's name (:mod:`eccl.readers.names`), never from the XML, whose
person fields are pseudonyms and are not read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from eccl.errors import Reason, Rejected
from eccl.readers.ecg.xml_stream import (
    BEAT_TIMES,
    DIAGNOSES,
    EXERCISE_STRIP,
    MAX_BYTES,
    MEASUREMENTS,
    EcgTexts,
    read_texts,
)

LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of leads in every array of this package."""
SAMPLES = 5000
SAMPLE_RATE_HZ = 500.0

_CANONICAL = {lead.casefold(): lead for lead in LEADS}
_INT16 = np.iinfo(np.int16)
# CardioSoft did not exist before; UK Biobank's own imaging began in 2014.
_PLAUSIBLE_YEARS = range(1990, 2100)
# No measurement of a recording is larger; the tables' columns hold more.
_LARGEST_NUMBER = 1e6
_SAMPLE_BYTES = b"0123456789-,"
# Lines that CardioSoft puts among the diagnoses of recordings with a full disclosure.
_NOT_A_DIAGNOSIS = ("qrs complexes:", "arrhythmia results of the full-disclosure")


def _measurement(tag: str) -> Any:
    return field(default=None, metadata={"tag": tag})


@dataclass(frozen=True, slots=True)
class EcgMeasurements:
    """What the device measured (RestingECGMeasurements); None where it wrote nothing."""

    ventricular_rate_bpm: float | None = _measurement("VentricularRate")
    pq_interval_ms: float | None = _measurement("PQInterval")
    p_duration_ms: float | None = _measurement("PDuration")
    qrs_duration_ms: float | None = _measurement("QRSDuration")
    qt_interval_ms: float | None = _measurement("QTInterval")
    qtc_interval_ms: float | None = _measurement("QTCInterval")
    rr_interval_ms: float | None = _measurement("RRInterval")
    pp_interval_ms: float | None = _measurement("PPInterval")
    sokolow_lvh_mv: float | None = _measurement("SokolovLVHIndex")
    p_axis_deg: float | None = _measurement("PAxis")
    r_axis_deg: float | None = _measurement("RAxis")
    t_axis_deg: float | None = _measurement("TAxis")
    qrs_count: int | None = None


_MEASUREMENT_TAGS = {one.name: one.metadata["tag"] for one in fields(EcgMeasurements) if one.metadata}


@dataclass(frozen=True, slots=True)
class EcgRecord:
    """One resting ECG.

    Attributes
    ----------
    signal_uv
        (12, 5000) int16, microvolts at 500 Hz, leads in the order of :data:`LEADS`.
    resolution_uv
        Microvolts per count in the file; already applied to `signal_uv`.
    observed_at
        The device's clock; None where absent or impossible.
    beat_times_ms
        QRS complexes the device found, in milliseconds from the start of the strip.
    lead_identity_error_uv
        Largest violation of Einthoven's and Goldberger's identities.
    flags
        Remarks (the file is ingested): ``poor_data_quality``, ``no_measurements``, ``no_ventricular_rate``,
        ``unreadable_measurement``, ``lead_order_differs``, ``extra_leads``, ``sample_count_differs``,
        ``implausible_date``, ``no_date``, ``texts_cut`` (a text or list longer than any device writes; its beginning
        was kept).
    """

    signal_uv: npt.NDArray[np.int16]
    sample_rate_hz: float
    resolution_uv: float
    low_pass_hz: float | None
    high_pass_hz: float | None
    observed_at: datetime | None
    software: str | None
    software_version: str | None
    measurements: EcgMeasurements
    diagnosis_texts: tuple[str, ...]
    beat_times_ms: tuple[float, ...]
    lead_identity_error_uv: float
    flags: tuple[str, ...]


def read_ecg_xml(source: bytes, max_identity_error_uv: float = 50.0, *, max_bytes: int = MAX_BYTES) -> EcgRecord:
    """Read a CardioSoft resting ECG.

    Parameters
    ----------
    source
        The file's bytes.
    max_identity_error_uv
        Largest violation of the limb-lead identities that still counts as rounding.
    max_bytes
        Largest file that is parsed at all (``limits.xml_mb``).

    Returns
    -------
    EcgRecord
        With the strip's samples only: not the medians, not the full disclosure.

    Raises
    ------
    Rejected
        With the :class:`~eccl.errors.Reason` of what is wrong: a huge or truncated file, another dialect, an
        exercise test, missing, repeated or short leads, samples that are no whole numbers or exceed 16 bits of
        microvolts, another sample rate, no usable resolution, no signal at all, or limb leads that contradict each
        other.
    """
    texts = read_texts(source, max_bytes)
    _check_kind(texts)
    flags = ["texts_cut"] if texts.is_cut else []
    counts = _read_leads(texts, flags)
    rate = _read_sample_rate(texts)
    resolution = _read_resolution(texts)
    signal = _to_microvolts(counts, resolution)
    error = _check_signal(signal, max_identity_error_uv)
    measurements = _read_measurements(texts, flags)
    observed_at = _read_date(texts, flags)
    diagnoses = _read_diagnoses(texts, flags)
    device = " ".join(filter(None, (texts.first(f"ClinicalInfo/DeviceInfo/{tag}") for tag in ("Desc", "SoftwareVer"))))
    times = (_to_number(text) for text in texts.texts.get(BEAT_TIMES, ()))
    return EcgRecord(
        signal_uv=signal,
        sample_rate_hz=rate,
        resolution_uv=resolution,
        low_pass_hz=_to_number(texts.first("FilterSetting/LowPass")),
        high_pass_hz=_to_number(texts.first("FilterSetting/HighPass")),
        observed_at=observed_at,
        software=device or None,
        software_version=texts.first("ClinicalInfo/DeviceInfo/AnalysisVer") or None,
        measurements=measurements,
        diagnosis_texts=diagnoses,
        beat_times_ms=tuple(time for time in times if time is not None),
        lead_identity_error_uv=error,
        flags=tuple(dict.fromkeys(flags)),
    )


def _check_signal(signal_uv: npt.NDArray[np.int16], max_identity_error_uv: float) -> float:
    if not np.ptp(signal_uv, axis=1).any():
        raise Rejected(Reason.ECG_NO_SIGNAL, "all 12 leads are flat; expected a recording; exclude the file")
    error = measure_identity_error(signal_uv)
    if error > max_identity_error_uv:
        raise Rejected(
            Reason.ECG_LEAD_IDENTITY,
            f"the limb leads contradict each other by {error:.0f} uV; expected at most {max_identity_error_uv:g} uV; "
            "look for swapped or rescaled leads",
        )
    return error


def measure_identity_error(signal_uv: npt.NDArray[np.int16]) -> float:
    """Measure how far the limb leads are from Einthoven's and Goldberger's identities.

    III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2. Recorders store the four dependent leads
    rounded to a count, so half a count is expected.

    Parameters
    ----------
    signal_uv
        (12, sample), microvolts, leads in the order of :data:`LEADS`.

    Returns
    -------
    float
        Largest absolute difference in microvolts.
    """
    first, second, third, right, left, foot = signal_uv[:6].astype(np.float64)
    expected = (second - first, -(first + second) / 2, first - second / 2, second - first / 2)
    return float(max(np.abs(a - b).max() for a, b in zip((third, right, left, foot), expected, strict=True)))


def _check_kind(texts: EcgTexts) -> None:
    kind = texts.first("ObservationType")
    if EXERCISE_STRIP in texts.sections or (kind and kind != "RestECG"):
        raise Rejected(
            Reason.ECG_EXERCISE_TEST,
            "found an exercise test (field 6025); expected a resting ECG (ObservationType RestECG, one strip); ingest "
            "files of field 20205 only",
        )
    if not kind:
        raise Rejected(
            Reason.ECG_UNKNOWN_DIALECT,
            "found no ObservationType; expected RestECG; check that the file is a complete CardioSoft export",
        )


def _read_leads(texts: EcgTexts, flags: list[str]) -> npt.NDArray[np.int64]:
    """Order the strip's leads: (12, 5000) counts."""
    if not texts.leads:
        raise Rejected(
            Reason.ECG_NO_STRIP, "found no waveform in StripData; expected 12 leads; download the file again"
        )
    names = [_CANONICAL.get(name.strip().casefold(), "") for name, _ in texts.leads]
    known = [name for name in names if name]
    if len(set(known)) < len(known):
        raise Rejected(Reason.ECG_LEADS_DUPLICATED, "a lead occurs more than once; expected each of the 12 leads once")
    missing = [lead for lead in LEADS if lead not in known]
    if missing:
        raise Rejected(
            Reason.ECG_LEADS_MISSING,
            f"found {len(known)} of the 12 leads, without {', '.join(missing)}; expected all; download the file again",
        )
    if len(known) < len(names):
        flags.append("extra_leads")
    if known != list(LEADS):
        flags.append("lead_order_differs")
    samples = {name: parse_samples(text, name) for name, (_, text) in zip(names, texts.leads, strict=True) if name}
    wrong = {name: len(values) for name, values in samples.items() if len(values) != SAMPLES}
    if wrong:
        name, length = next(iter(wrong.items()))
        raise Rejected(
            Reason.ECG_LEAD_LENGTH,
            f"{len(wrong)} leads have another length (lead {name}: {length} samples); expected {SAMPLES}",
        )
    declared = texts.first("StripData/ChannelSampleCountTotal")
    if declared != str(SAMPLES):
        flags.append("sample_count_differs")
    return np.stack([samples[lead] for lead in LEADS])


def _read_sample_rate(texts: EcgTexts) -> float:
    rate = _to_number(texts.first("StripData/SampleRate"))
    if rate != SAMPLE_RATE_HZ:
        found = "no sample rate" if rate is None else f"{rate:g} Hz"
        raise Rejected(Reason.ECG_SAMPLE_RATE, f"found {found}; expected {SAMPLE_RATE_HZ:g} Hz; resample the recording")
    return rate


def _read_resolution(texts: EcgTexts) -> float:
    resolution = _to_number(texts.first("StripData/Resolution"))
    if resolution is None or resolution <= 0:
        found = "no number" if resolution is None else f"{resolution:g}"
        raise Rejected(
            Reason.ECG_RESOLUTION, f"found {found} as resolution; expected microvolts per count, greater than 0 (5)"
        )
    return resolution


def _to_microvolts(counts: npt.NDArray[np.int64], resolution_uv: float) -> npt.NDArray[np.int16]:
    with np.errstate(over="ignore"):  # too much becomes infinite, which does not fit 16 bits either
        scaled = np.rint(counts * resolution_uv)
    low, high = float(scaled.min()), float(scaled.max())
    if low < _INT16.min or high > _INT16.max:
        raise Rejected(
            Reason.ECG_SAMPLES_OUT_OF_RANGE,
            f"samples reach from {low:g} to {high:g} uV; expected {_INT16.min} to {_INT16.max}; check the resolution",
        )
    signal: npt.NDArray[np.int16] = scaled.astype(np.int16)
    return signal


def _to_number(text: str) -> float | None:
    # float() also reads digits of other scripts and "1_000"; devices write neither.
    if not text.isascii() or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST_NUMBER else None


def _read_measurements(texts: EcgTexts, flags: list[str]) -> EcgMeasurements:
    if MEASUREMENTS not in texts.sections:
        flags.append("no_measurements")
        return EcgMeasurements()
    found = {name: texts.first(f"{MEASUREMENTS}/{tag}") for name, tag in _MEASUREMENT_TAGS.items()}
    numbers = {name: _to_number(text) for name, text in found.items()}
    count_text = texts.first(f"{MEASUREMENTS}/QRSNum")
    count = _to_number(count_text)
    is_whole = count is not None and count >= 0 and count == int(count)
    if any(text and numbers[name] is None for name, text in found.items()) or (count_text and not is_whole):
        flags.append("unreadable_measurement")
    if not numbers["ventricular_rate_bpm"]:
        flags.append("no_ventricular_rate")
    return EcgMeasurements(**numbers, qrs_count=int(count) if is_whole and count is not None else None)


def _read_date(texts: EcgTexts, flags: list[str]) -> datetime | None:
    parts = [
        texts.first(f"ObservationDateTime/{name}") for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")
    ]
    if not any(parts):
        flags.append("no_date")
        return None
    try:
        observed = datetime(*(int(part) for part in parts))  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        observed = None
    if observed is None or observed.year not in _PLAUSIBLE_YEARS:
        flags.append("implausible_date")
        return None
    return observed


def _read_diagnoses(texts: EcgTexts, flags: list[str]) -> tuple[str, ...]:
    lines = [" ".join(text.split()) for text in texts.texts.get(DIAGNOSES, ())]
    if any("poor data quality" in line.casefold() for line in lines):
        flags.append("poor_data_quality")
    return tuple(line for line in lines if line.strip("-_ ") and not line.casefold().startswith(_NOT_A_DIAGNOSIS))


def parse_samples(text: str, lead: str) -> npt.NDArray[np.int64]:
    """Read the comma-separated whole numbers of one lead.

    Parameters
    ----------
    text
        Signed whole numbers separated by commas; lines may be wrapped after (or before) a comma, as CardioSoft does.
    lead
        Name of the lead, for messages.

    Returns
    -------
    (sample,) int64
        Counts of the recorder. Numbers beyond 64 bits become the nearest 64-bit number.

    Raises
    ------
    Rejected
        ``ECG_SAMPLES_NOT_INTEGER``: a blank between commas, a fraction, or any other text.
    """
    compact = _join_lines(text)
    if not _is_integer_list(compact):
        raise Rejected(
            Reason.ECG_SAMPLES_NOT_INTEGER,
            f"lead {lead} holds blanks or text between its commas; expected whole numbers; download the file again",
        )
    # The text is known to be well-formed here; on other texts this function would stop early.
    return np.fromstring(compact, dtype=np.int64, sep=",")


def _join_lines(text: str) -> bytes:
    """Remove white space next to commas and at the ends; keep it inside a number, where it is an error."""
    try:
        parts = text.encode("ascii").split()
    except UnicodeEncodeError:
        return b""
    for before, after in pairwise(parts):
        if not before.endswith(b",") and not after.startswith(b","):
            return b""
    return b"".join(parts)


def _is_integer_list(compact: bytes) -> bool:
    if not compact or compact.translate(None, _SAMPLE_BYTES):
        return False
    if b",," in compact or compact[:1] == b"," or compact[-1:] in (b",", b"-") or b"-," in compact:
        return False
    # every minus stands at the start of a number
    return compact.count(b"-") == compact.count(b",-") + compact.startswith(b"-") and b"--" not in compact
