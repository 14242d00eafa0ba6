"""Write an ECG as CardioSoft V6.73 exports it (field 20205): element order, CRLF, tabs and line wrapping included.

Layout from real files of that program: the first line of a waveform holds 301 values, the next 300 each, every line but
the last ends with a comma, lines begin with as many tabs as the element itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eccl.simulate.ecg.electrodes import inverse_dower
from eccl.simulate.ecg.measurements import Measurements, Table, measure, measurement_table
from eccl.simulate.ecg.render import LEADS, MEDIAN_SAMPLES, RESOLUTION_UV, SAMPLE_RATE_HZ, SAMPLES, Ecg

FIRST_LINE_VALUES, LINE_VALUES = 301, 300
FULL_DISCLOSURE_SAMPLES = 162_000
LEAD_ORDER = ", ".join(LEADS)


@dataclass(frozen=True, slots=True)
class EcgHeader:
    """What stands around the signal: a pseudo-id (never the eid), the time, and what the technician typed."""

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
    conclusion: tuple[str, ...] = ()


def write_ecg_xml(ecg: Ecg, header: EcgHeader, *, full_disclosure: bool = False) -> bytes:
    """Serialise a recording.

    Parameters
    ----------
    ecg
        Strip and median in counts of 5 uV.
    header
        Anonymised surroundings.
    full_disclosure
        Append the block of 162,000 samples per lead that makes UK Biobank's files several MB.

    Returns
    -------
    bytes
        ISO-8859-1 text with CRLF line ends.
    """
    marks = measure(ecg)
    lines = ['<?xml version="1.0" encoding="ISO-8859-1" ?>', "<CardiologyXML>"]
    lines += _observation(header)
    lines += _patient(header)
    lines += _interpretation(header)
    lines += _measurements(ecg, marks, measurement_table(ecg, marks))
    lines += _vector_loops(ecg, marks)
    lines += _strip(ecg)
    if full_disclosure:
        lines += _full_disclosure(ecg)
    lines += ["\t<Export>", "\t</Export>", "\t<CSWeb>"]
    lines += ['\t\t<a href="localhost/scripts/CardioSoftWeb/iscard.dll?GetExamination?RecTyp=0&amp;RecComp=1"></a>']
    lines += ["\t</CSWeb>", "</CardiologyXML>", ""]
    return "\r\n".join(lines).encode("iso-8859-1")


def _element(depth: int, name: str, value: object = "", attribute: str = "") -> str:
    text = "" if value is None else str(value)
    tabs, attribute = "\t" * depth, f" {attribute}" if attribute else ""
    return f"{tabs}<{name}{attribute}>{text}</{name}>"


def _block(depth: int, name: str, inner: Iterable[str], attribute: str = "") -> list[str]:
    tabs = "\t" * depth
    return [f"{tabs}<{name}{' ' + attribute if attribute else ''}>", *inner, f"{tabs}</{name}>"]


def _leaves(depth: int, values: Sequence[tuple[str, object]]) -> list[str]:
    return [_element(depth, name, value) for name, value in values]


def _person(depth: int, name: str, family: str = "", given: str = "") -> list[str]:
    return _block(depth, name, _leaves(depth + 1, (("FamilyName", family), ("GivenName", given), ("PersonID", ""))))


def _observation(header: EcgHeader) -> list[str]:
    at = header.moment
    stamp = (("Hour", at.hour), ("Minute", at.minute), ("Second", at.second))
    day = (("Day", at.day), ("Month", at.month), ("Year", at.year))
    device = (("Desc", "CardioSoft"), ("SoftwareVer", "V6.73"), ("AnalysisVer", "12SL V21"))
    clinical = [_element(2, "ReasonForStudy"), *_person(2, "Technician")]
    clinical += [_element(2, "ObservationComment"), *_block(2, "DeviceInfo", _leaves(3, device))]
    return [
        _element(1, "ObservationType", "RestECG"),
        *_block(1, "ObservationDateTime", _leaves(2, stamp + day)),
        *_block(1, "UID", [_element(2, "DICOMStudyUID", header.study_uid)]),
        *_block(1, "ClinicalInfo", clinical),
        *_patient_visit(),
    ]


def _patient_visit() -> list[str]:
    location = (("Facility", ""), ("LocationNumber", 0), ("LocationName", "* 0 *"))
    address = _block(3, "Address", _leaves(4, (("Street1", ""), ("City", ""))))
    question = [_element(3, "Label", "", 'Type="Text"'), _element(3, "Content")]
    inner = [_element(2, "PatientClass", "O"), *_block(2, "AssignedPatientLocation", _leaves(3, location))]
    inner += [_element(2, "PatientRoom"), _element(2, "AdmissionType", "ROUT")]
    for role in ("OrderingProvider", "AttendingDoctor", "ReferringDoctor"):
        inner += _person(2, role)
    inner += _block(2, "ServicingFacility", [_element(3, "Name"), *address])
    inner += [_element(2, "SysBP", "", 'units="mmHg"'), _element(2, "DiaBP", "", 'units="mmHg"')]
    inner += _block(2, "MedicalHistory", [_element(3, "MedicalHistoryText")])
    inner += [_element(2, "OrderNumber"), *_block(2, "Medications", _leaves(3, (("Drug", ""), ("Dosage", ""))))]
    inner += _block(2, "ExtraQuestions", question + question)
    return _block(1, "PatientVisit", inner)


def _patient(header: EcgHeader) -> list[str]:
    name = (("FamilyName", header.pseudo_id), ("GivenName", header.given_name))
    # Birth day and month are set to 1 in UK Biobank's files; age and sex are kept.
    birth = (("Day", 1), ("Month", 1), ("Year", header.birth_year))
    info = [
        _element(2, "PID", header.pseudo_id),
        *_block(2, "Name", _leaves(3, name)),
        _element(2, "Age", header.age_years, 'units="YEARS"'),
        *_block(2, "BirthDateTime", _leaves(3, birth)),
        _element(2, "Gender", "MALE" if header.male else "FEMALE"),
        _element(2, "Race", ""),
        _element(2, "Height", header.height_cm, 'units="CENTIMETERS"'),
        _element(2, "Weight", f"{header.weight_kg:.1f}", 'units="KILOGRAMS"'),
        _element(2, "PaceMaker", "no"),
    ]
    filters = _leaves(2, (("CubicSpline", "No"), ("Filter50Hz", "Yes"), ("Filter60Hz", "No")))
    filters += [_element(2, "LowPass", 100, 'units="Hz"'), _element(2, "HighPass", "0.01", 'units="Hz"')]
    return [*_block(1, "PatientInfo", info), *_block(1, "FilterSetting", filters), _element(1, "Device-Type", 2)]


def _interpretation(header: EcgHeader) -> list[str]:
    inner: list[str] = []
    if header.diagnosis:
        inner += _block(2, "Diagnosis", [_element(3, "DiagnosisText", text) for text in header.diagnosis])
    if header.conclusion:
        inner += _block(2, "Conclusion", [_element(3, "ConclusionText", text) for text in header.conclusion])
    return _block(1, "Interpretation", inner)


def _measurements(ecg: Ecg, m: Measurements, table: Table) -> list[str]:
    def number(name: str, value: int | None, unit: str) -> str:
        return _element(2, name, value, f'units="{unit}"')

    inner = [_element(2, "DiagnosisVersion", "12SL V21"), number("VentricularRate", m.ventricular_rate, "BPM")]
    inner += [number("PQInterval", m.pq_ms, "ms"), number("PDuration", m.p_ms, "ms")]
    inner += [number("QRSDuration", m.qrs_ms, "ms"), number("QTInterval", m.qt_ms, "ms")]
    inner += [number("QTCInterval", m.qtc_ms, "ms"), number("RRInterval", m.rr_ms, "ms")]
    inner += [number("PPInterval", m.pp_ms, "ms"), number("SokolovLVHIndex", None, "mV")]
    inner += [number("PAxis", m.p_axis, "degrees"), number("RAxis", m.r_axis, "degrees")]
    inner += [number("TAxis", m.t_axis, "degrees"), number("QTDispersion", None, "ms")]
    inner += [number("QTDispersionBazett", None, "ms"), _element(2, "QRSNum", m.qrs_count)]
    rows = [_element(3, "LeadOrder", LEAD_ORDER)]
    for name, (unit, values) in table.items():
        text = ", ".join("" if value is None else str(value) for value in values)
        rows.append(_element(3, name, text, f'units="{unit}"'))
    inner += _block(2, "MeasurementTable", rows, 'Creation="12SL"')
    inner += [number("POnset", m.p_onset_ms, "ms"), number("POffset", m.p_offset_ms, "ms")]
    inner += [number("QOnset", m.q_onset_ms, "ms"), number("QOffset", m.q_offset_ms, "ms")]
    inner += [number("TOffset", m.t_offset_ms, "ms")]
    median = _signal_head(3, MEDIAN_SAMPLES)
    median += [_element(3, "FirstValid", 0, 'units="Sample"')]
    median += [_element(3, "LastValid", MEDIAN_SAMPLES - 1, 'units="Sample"')]
    inner += _block(2, "MedianSamples", median + _waveforms(3, ecg.median))
    return _block(1, "RestingECGMeasurements", inner)


def _signal_head(depth: int, samples: int) -> list[str]:
    return [
        _element(depth, "NumberOfLeads", 12),
        _element(depth, "SampleRate", SAMPLE_RATE_HZ, 'units="Hz"'),
        _element(depth, "ChannelSampleCountTotal", samples),
        _element(depth, "Resolution", RESOLUTION_UV, 'units="uVperLsb"'),
    ]


def _waveforms(depth: int, signal: NDArray[np.int16]) -> list[str]:
    return [_wave(depth, "WaveformData", f'lead="{lead}"', values) for lead, values in zip(LEADS, signal, strict=True)]


def _wave(depth: int, name: str, attribute: str, values: NDArray[np.int16]) -> str:
    """One element of wrapped samples, as several lines in one string."""
    tabs = "\t" * depth
    words = list(map(str, values.tolist()))
    cuts = [0, *range(FIRST_LINE_VALUES, len(words), LINE_VALUES), len(words)]
    lines = [",".join(words[a:b]) for a, b in pairwise(cuts)]
    return f"{tabs}<{name} {attribute}>{tabs}" + f",\r\n{tabs}".join(lines) + f"</{name}>"


def _vector_loops(ecg: Ecg, marks: Measurements) -> list[str]:
    x, y, z = inverse_dower(ecg.median)[:, : MEDIAN_SAMPLES - 1]
    inner = [_element(2, "Resolution", RESOLUTION_UV, 'units="uVperLsb"')]
    inner += [_element(2, "ChannelSampleCountTotal", MEDIAN_SAMPLES - 1)]
    for name, value in (
        ("POnset", marks.p_onset_ms),
        ("POffset", marks.p_offset_ms),
        ("QOnset", marks.q_onset_ms),
        ("QOffset", marks.q_offset_ms),
        ("TOffset", marks.t_offset_ms),
    ):
        # The same marks as above, here in samples.
        inner.append(_element(2, name, None if value is None else value // 2, 'units="sample"'))
    for plane, loops in (
        ("Frontal", (("X", x), ("-Y", -y))),
        ("Horizontal", (("X", x), ("Z", z))),
        ("Sagittal", (("-Z", -z), ("-Y", -y))),
    ):
        inner += [_wave(2, plane, f'Lead="{lead}"', values) for lead, values in loops]
    return _block(1, "VectorLoops", inner, 'Creation="Inverse Dower"')


def _arrhythmia(depth: int, times_ms: Iterable[float], classes: Iterable[str]) -> list[str]:
    inner: list[str] = []
    for time, kind in zip(times_ms, classes, strict=True):
        # Times lie on a 5 ms grid in real files.
        inner += [_element(depth + 1, "Time", 5 * round(time / 5.0), 'units="ms"')]
        inner += [_element(depth + 1, "BeatClass", kind)]
    return _block(depth, "ArrhythmiaResults", inner)


def _strip(ecg: Ecg) -> list[str]:
    inner = _signal_head(2, SAMPLES) + _waveforms(2, ecg.strip)
    return _block(1, "StripData", inner + _arrhythmia(2, ecg.r_times_ms, ecg.beat_classes))


def _full_disclosure(ecg: Ecg) -> list[str]:
    """The long recording: the strip repeated, since nothing downstream reads its content."""
    repeats = -(-FULL_DISCLOSURE_SAMPLES // SAMPLES)
    # One second of each lead in turn, one line each, with a comma even after the last value.
    seconds = ecg.strip.reshape(12, SAMPLES // SAMPLE_RATE_HZ, SAMPLE_RATE_HZ).transpose(1, 0, 2)
    lines = ["\t\t\t" + ",".join(map(str, row.tolist())) + "," for second in seconds for row in second]
    total = FULL_DISCLOSURE_SAMPLES // SAMPLE_RATE_HZ * 12
    data = _element(3, "SampleCountTotal", FULL_DISCLOSURE_SAMPLES)
    head = [
        _element(2, "NumberOfChannels", 12),
        _element(2, "SampleRate", SAMPLE_RATE_HZ, 'units="Hz"'),
        _element(2, "Resolution", RESOLUTION_UV, 'units="uVperLsb"'),
        _element(2, "LeadOrder", ",".join(LEADS)),
    ]
    body = _block(2, "FullDisclosureData", [data, *(lines * repeats)[:total]])
    tail = [*_block(2, "EventList", []), *_arrhythmia(2, ecg.r_times_ms, ecg.beat_classes)]
    return _block(1, "FullDisclosure", head + body + tail)
