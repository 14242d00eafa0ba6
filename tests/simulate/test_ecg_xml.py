"""The XML writer against the layout of real CardioSoft files."""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import pytest

from eccl.readers.ecg.cardiosoft import read_ecg_xml
from eccl.simulate import HeartState
from eccl.simulate.ecg.cardiosoft import EcgHeader, write_ecg_xml
from eccl.simulate.ecg.render import Ecg, record_ecg
from tests.support.paths import CARDIOSOFT_ECG, needs

HEADER = EcgHeader(
    "481516234299", "XYZ", "1.2.3", datetime(2016, 5, 3, 9, 4, 7), True, 63, 1953, 176, 80.0, ("Normal",)
)


@pytest.fixture(scope="module")
def ecg(states: list[HeartState]) -> Ecg:
    sinus = next(s for s in states if not s.atrial_fibrillation)
    return record_ecg(sinus, np.random.default_rng(4))


@pytest.fixture(scope="module")
def xml(ecg: Ecg) -> bytes:
    return write_ecg_xml(ecg, HEADER)


def test_bytes_are_those_of_a_windows_export(xml: bytes) -> None:
    assert xml.startswith(b'<?xml version="1.0" encoding="ISO-8859-1" ?>\r\n<CardiologyXML>\r\n\t<ObservationType>')
    assert xml.endswith(b"</CardiologyXML>\r\n")
    assert xml.count(b"\n") == xml.count(b"\r\n") == xml.count(b"\r")
    assert b"    " not in xml
    assert b"<Hour>9</Hour>\r\n\t\t<Minute>4</Minute>" in xml


def line_lengths(text: bytes, element: bytes) -> list[list[int]]:
    """Number of values in each line of every element of that name."""
    bodies = re.findall(rb"<" + element + rb'\b[^>]*="[^>]*>(.*?)</' + element + rb">", text, flags=re.DOTALL)
    return [[len([v for v in line.split(b",") if v.strip()]) for line in body.split(b"\r\n")] for body in bodies]


def test_wrapping(xml: bytes) -> None:
    lengths = line_lengths(xml, b"WaveformData")
    assert lengths[:12] == [[301, 299]] * 12
    assert lengths[12:] == [[301] + [300] * 15 + [199]] * 12
    assert line_lengths(xml, b"Frontal") == [[301, 298]] * 2


def test_samples_come_back(xml: bytes, ecg: Ecg) -> None:
    root = ElementTree.fromstring(xml)
    for path, expected in (("StripData", ecg.strip), ("RestingECGMeasurements/MedianSamples", ecg.median)):
        found = [[int(v) for v in (e.text or "").split(",")] for e in root.findall(f"{path}/WaveformData")]
        assert (np.array(found) == expected).all()
    assert root.findtext("FilterSetting/LowPass") == "100"
    beats = root.findall("StripData/ArrhythmiaResults/Time")
    assert len(beats) == int(root.findtext("RestingECGMeasurements/QRSNum") or 0) > 3


def test_marks_are_ms_in_the_median_and_samples_in_the_loops(xml: bytes) -> None:
    root = ElementTree.fromstring(xml)
    for mark in ("POnset", "QOnset", "TOffset"):
        in_ms = int(root.findtext(f"RestingECGMeasurements/{mark}") or -1)
        assert in_ms == 2 * int(root.findtext(f"VectorLoops/{mark}") or -2)


def test_measurement_table_has_twelve_cells_a_row(xml: bytes) -> None:
    table = ElementTree.fromstring(xml).find("RestingECGMeasurements/MeasurementTable")
    assert table is not None
    assert len(table) == 19
    assert all((row.text or "").count(", ") == 11 for row in table)


def test_full_disclosure_is_large_and_skippable(ecg: Ecg, xml: bytes) -> None:
    long_form = write_ecg_xml(ecg, HEADER, full_disclosure=True)
    assert len(long_form) > 3_000_000
    root = ElementTree.fromstring(long_form)
    data = root.find("FullDisclosure/FullDisclosureData")
    assert data is not None
    tail = data[0].tail or ""
    assert tail.rstrip().endswith(",")
    assert tail.count(",") == 12 * 162_000
    assert root.findtext("StripData/WaveformData") == ElementTree.fromstring(xml).findtext("StripData/WaveformData")


def structure(element: ElementTree.Element, above: str = "") -> list[str]:
    # The link's address and the number of beats and statements are a recording's own.
    attributes = sorted(element.attrib.items()) if element.tag != "a" else []
    here = f"{above}/{element.tag}{attributes}"
    own = [] if element.tag in {"Time", "BeatClass", "Diagnosis", "DiagnosisText"} else [here]
    return own + [line for child in element for line in structure(child, here)]


@needs(CARDIOSOFT_ECG)
def test_structure_equals_a_real_file(xml: bytes) -> None:
    real = CARDIOSOFT_ECG.read_bytes()
    assert structure(ElementTree.fromstring(xml)) == structure(ElementTree.fromstring(real))
    for element in (b"WaveformData", b"Frontal", b"Sagittal"):
        assert line_lengths(xml, element) == line_lengths(real, element)
    assert real.split(b"\r\n", 2)[:2] == xml.split(b"\r\n", 2)[:2]
    tabs = rb"\r\n(\t*)<(StripData|WaveformData|QRSNum|PID|Frontal|Time)\b"
    assert set(re.findall(tabs, xml)) == set(re.findall(tabs, real))
    signal_starts = rb'<WaveformData lead="I">(\t+)'
    assert re.findall(signal_starts, xml) == re.findall(signal_starts, real)


def test_the_reader_of_this_project_accepts_it(xml: bytes, ecg: Ecg) -> None:
    record = read_ecg_xml(xml)
    assert (record.signal_uv == 5 * ecg.strip.astype(int)).all()
    assert record.lead_identity_error_uv <= 2.5
    assert record.flags == ()
    assert record.measurements.ventricular_rate_bpm == round(60_000 / ecg.rr_ms)
