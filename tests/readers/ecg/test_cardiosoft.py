from __future__ import annotations

import re
import tracemalloc
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eccl.errors import Reason, Rejected
from eccl.readers.ecg.cardiosoft import LEADS, EcgRecord, parse_samples, read_ecg_xml
from tests.support.paths import CARDIOSOFT_ECG, MUSE_ECG, needs

HEAD = """<?xml version="1.0" encoding="ISO-8859-1" ?>\r
<CardiologyXML>\r
\t<ObservationType>RestECG</ObservationType>\r
\t<ObservationDateTime><Hour>9</Hour><Minute>5</Minute><Second>7</Second>
\t<Day>3</Day><Month>6</Month><Year>2016</Year></ObservationDateTime>\r
\t<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.73</SoftwareVer>
\t<AnalysisVer>12SL V21</AnalysisVer></DeviceInfo></ClinicalInfo>\r
\t<PatientInfo><Name><FamilyName>Ren\xe9</FamilyName></Name></PatientInfo>\r
\t<FilterSetting><LowPass units="Hz">100</LowPass><HighPass units="Hz">0.01</HighPass></FilterSetting>\r
"""
DIAGNOSES = """<Interpretation><Diagnosis><DiagnosisText>Sinus rhythm</DiagnosisText><DiagnosisText>---</DiagnosisText>
<DiagnosisText>QRS Complexes: 9, 9 normal</DiagnosisText></Diagnosis></Interpretation>"""
MEASURED = """<RestingECGMeasurements>
<VentricularRate units="BPM">60</VentricularRate><PQInterval units="ms">160</PQInterval>
<SokolovLVHIndex units="mV"></SokolovLVHIndex><RAxis units="degrees">-12</RAxis><QRSNum>10</QRSNum>
<MedianSamples><Resolution units="uVperLsb">7</Resolution><WaveformData lead="I">9,9,9</WaveformData></MedianSamples>
</RestingECGMeasurements>"""


def make_counts(seed: int = 0) -> npt.NDArray[np.int64]:
    """Twelve leads of counts: eight drawn, four derived and rounded, as a recorder writes them."""
    rng = np.random.default_rng(seed)
    drawn = np.cumsum(rng.integers(-3, 4, size=(8, 5000)), axis=1)
    first, second = drawn[0], drawn[1]
    derived = (second - first, -(first + second) / 2, first - second / 2, second - first / 2)
    return np.vstack([first, second, *np.rint(derived), *drawn[2:]]).astype(np.int64)


def write_lead(name: str, samples: npt.NDArray[np.int64]) -> str:
    # CardioSoft wraps: 301 samples, then lines of 300, each line but the last ending with a comma
    lines = [samples[:301], *np.split(samples[301:], range(300, len(samples) - 301, 300))]
    text = ",\r\n\t\t".join(",".join(map(str, line)) for line in lines if len(line))
    return f'<WaveformData lead="{name}">\t\t{text}</WaveformData>'


def write_xml(
    counts: npt.NDArray[np.int64] | None = None,
    names: tuple[str, ...] = LEADS,
    *,
    measured: str = MEASURED,
    diagnoses: str = DIAGNOSES,
    extra: str = "",
) -> bytes:
    counts = make_counts() if counts is None else counts
    leads = "\r\n".join(write_lead(name, row) for name, row in zip(names, counts, strict=True))
    strip = (
        '<StripData><NumberOfLeads>12</NumberOfLeads><SampleRate units="Hz">500</SampleRate>'
        "<ChannelSampleCountTotal>5000</ChannelSampleCountTotal>"
        f'<Resolution units="uVperLsb">5</Resolution>{leads}'
        "<ArrhythmiaResults><Time>735</Time><BeatClass>dominant</BeatClass><Time>1735</Time></ArrhythmiaResults></StripData>"
    )
    return (HEAD + diagnoses + measured + strip + extra + "</CardiologyXML>\r\n").encode("latin-1")


def refuse(source: bytes) -> Reason:
    with pytest.raises(Rejected) as caught:
        read_ecg_xml(source)
    return caught.value.reason


def test_a_recording_reads_back() -> None:
    counts = make_counts()
    record = read_ecg_xml(write_xml(counts))
    assert record.signal_uv.dtype == np.int16
    np.testing.assert_array_equal(record.signal_uv, counts * 5)
    assert (record.sample_rate_hz, record.resolution_uv, record.low_pass_hz, record.high_pass_hz) == (500, 5, 100, 0.01)
    assert record.observed_at == datetime(2016, 6, 3, 9, 5, 7)
    assert (record.software, record.software_version) == ("CardioSoft V6.73", "12SL V21")
    assert record.measurements.ventricular_rate_bpm == 60
    assert record.measurements.r_axis_deg == -12
    assert record.measurements.sokolow_lvh_mv is None
    assert record.measurements.qtc_interval_ms is None
    assert record.measurements.qrs_count == 10
    assert record.diagnosis_texts == ("Sinus rhythm",)
    assert record.beat_times_ms == (735, 1735)
    assert record.lead_identity_error_uv == 2.5
    assert record.flags == ()


def test_leads_come_in_one_order_whatever_the_file_has() -> None:
    counts = make_counts()
    order = [0, 1, 2, 6, 7, 8, 9, 10, 11, 5, 4, 3]
    names = tuple(LEADS[index].upper() if index % 2 else LEADS[index].lower() for index in order)
    record = read_ecg_xml(write_xml(counts[order], names))
    np.testing.assert_array_equal(record.signal_uv, counts * 5)
    assert record.flags == ("lead_order_differs",)


def test_resolution_is_read() -> None:
    counts = make_counts()
    record = read_ecg_xml(write_xml(counts).replace(b'uVperLsb">5<', b'uVperLsb">4.88<'))
    np.testing.assert_array_equal(record.signal_uv, np.rint(counts * 4.88))
    assert record.resolution_uv == 4.88


def test_full_disclosure_is_neither_read_nor_held() -> None:
    counts = make_counts()
    noise = "-123," * 2_000_000
    extra = f'<FullDisclosure><Resolution>1</Resolution><WaveformData lead="I">{noise}</WaveformData></FullDisclosure>'
    source = write_xml(counts, extra=extra)
    tracemalloc.start()
    record = read_ecg_xml(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(record.signal_uv, counts * 5)
    assert peak < len(noise) / 4, "the disclosure was held in memory"


def test_an_open_or_empty_disclosure_does_not_hide_anything() -> None:
    assert refuse(write_xml(extra="<FullDisclosure>1,2")) is Reason.XML_MALFORMED
    assert read_ecg_xml(write_xml(extra="<FullDisclosure/><Export/>")).flags == ()
    assert (
        read_ecg_xml(write_xml(extra='<FullDisclosure a="1"/><FullDisclosure b="2">\n1,2</FullDisclosure>')).flags == ()
    )


def test_a_single_text_beyond_ten_megabytes_is_streamed() -> None:
    extra = f"<FullDisclosure><FullDisclosureData>{'1,' * 5_500_000}</FullDisclosureData></FullDisclosure>"
    assert read_ecg_xml(write_xml(extra=extra)).flags == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda source: b"", Reason.EMPTY_FILE),
        (lambda source: b" \r\n", Reason.EMPTY_FILE),
        (lambda source: source[: len(source) // 2], Reason.XML_MALFORMED),
        (lambda source: source[:-10], Reason.XML_MALFORMED),
        (lambda source: b"not an XML", Reason.XML_MALFORMED),
        (lambda source: source.replace(b"CardiologyXML", b"RestingECG"), Reason.ECG_MUSE_DIALECT),
        (lambda source: source.replace(b"CardiologyXML", b"Other"), Reason.ECG_UNKNOWN_DIALECT),
        (lambda source: source.replace(b">RestECG<", b"><"), Reason.ECG_UNKNOWN_DIALECT),
        (lambda source: source.replace(b">RestECG<", b">ExerciseECG<"), Reason.ECG_EXERCISE_TEST),
        (lambda source: source.replace(b"<StripData>", b"<StripData><Strip/>"), Reason.ECG_EXERCISE_TEST),
        (lambda source: source.replace(b"StripData>", b"Other>"), Reason.ECG_NO_STRIP),
        (lambda source: source.replace(b'lead="V6"', b'lead="V7"'), Reason.ECG_LEADS_MISSING),
        (lambda source: source.replace(b'lead="V6"', b""), Reason.ECG_LEADS_MISSING),
        (lambda source: source.replace(b'lead="V6"', b'lead="v5"'), Reason.ECG_LEADS_DUPLICATED),
        (lambda source: source.replace(b'Hz">500<', b'Hz">1000<'), Reason.ECG_SAMPLE_RATE),
        (lambda source: source.replace(b'Hz">500<', b'Hz"><'), Reason.ECG_SAMPLE_RATE),
        (lambda source: source.replace(b'uVperLsb">5<', b'uVperLsb">0<'), Reason.ECG_RESOLUTION),
        (lambda source: source.replace(b'uVperLsb">5<', b'uVperLsb"><'), Reason.ECG_RESOLUTION),
        (lambda source: source.replace(b'uVperLsb">5<', b'uVperLsb">5000<'), Reason.ECG_SAMPLES_OUT_OF_RANGE),
        (lambda source: re.sub(rb'(lead="V2">\t\t)-?\d+,', rb"\1,", source), Reason.ECG_SAMPLES_NOT_INTEGER),
        (lambda source: re.sub(rb'(lead="V2">\t\t)-?\d+,', rb"\g<1>1.5,", source), Reason.ECG_SAMPLES_NOT_INTEGER),
        (lambda source: re.sub(rb'(lead="V2">\t\t)-?\d+,', rb"\1", source), Reason.ECG_LEAD_LENGTH),
        (lambda source: re.sub(rb'(lead="V2">)[^<]*', rb"\1", source), Reason.ECG_SAMPLES_NOT_INTEGER),
    ],
)
def test_every_corruption_has_its_reason(change: object, reason: Reason) -> None:
    assert callable(change)
    changed = change(write_xml())
    assert changed != write_xml()
    assert refuse(changed) is reason


def test_a_missing_lead_is_named() -> None:
    with pytest.raises(Rejected, match="without V6"):
        read_ecg_xml(write_xml(make_counts()[:11], LEADS[:11]))


def test_a_flat_recording_has_no_signal() -> None:
    assert refuse(write_xml(np.zeros((12, 5000), dtype=np.int64))) is Reason.ECG_NO_SIGNAL


def test_swapped_leads_break_the_identities_by_the_given_tolerance() -> None:
    counts = make_counts()
    counts[4] += 11  # 55 microvolts, and half a count of rounding
    source = write_xml(counts)
    assert refuse(source) is Reason.ECG_LEAD_IDENTITY
    assert 52.5 <= read_ecg_xml(source, max_identity_error_uv=60).lead_identity_error_uv <= 57.5
    swapped = counts[[1, 0, *range(2, 12)]]
    assert refuse(write_xml(swapped)) is Reason.ECG_LEAD_IDENTITY


def test_one_flat_chest_lead_is_accepted() -> None:
    counts = make_counts()
    counts[8] = 0
    assert not read_ecg_xml(write_xml(counts)).signal_uv[8].any()


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ((MEASURED, ""), "no_measurements"),
        (('BPM">60<', 'BPM"><'), "no_ventricular_rate"),
        (('BPM">60<', 'BPM">0<'), "no_ventricular_rate"),
        (('ms">160<', 'ms">---<'), "unreadable_measurement"),
        (("Sinus rhythm", "** Poor data quality, interpretation may be affected"), "poor_data_quality"),
        (("<Year>2016<", "<Year>1<"), "implausible_date"),
        (("<Month>6<", "<Month>13<"), "implausible_date"),
        (("<Year>2016</Year>", ""), "implausible_date"),
        (("ObservationDateTime", "Other"), "no_date"),
        ((">5000<", ">4999<"), "sample_count_differs"),
    ],
)
def test_what_does_not_refuse_a_file_is_flagged(change: tuple[str, str], flag: str) -> None:
    record = read_ecg_xml(write_xml().replace(change[0].encode(), change[1].encode()))
    assert flag in record.flags
    if "date" in flag:
        assert record.observed_at is None


def test_missing_measurements_are_null_not_zero() -> None:
    record = read_ecg_xml(write_xml(measured="", diagnoses="<Interpretation/>"))
    assert all(getattr(record.measurements, name) is None for name in record.measurements.__slots__)
    assert record.diagnosis_texts == ()


def test_an_entity_bomb_is_refused() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE CardiologyXML [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    assert refuse(write_xml().replace(b'<?xml version="1.0" encoding="ISO-8859-1" ?>', bomb)) is Reason.XML_MALFORMED


def test_messages_hold_no_text_of_the_file() -> None:
    with pytest.raises(Rejected) as caught:
        read_ecg_xml(write_xml().replace(b"</FamilyName>", b"</Secret9000001>"))
    assert caught.value.reason is Reason.XML_MALFORMED
    assert "Secret" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=60), st.data())
def test_wrapped_numbers_parse_to_themselves(numbers: list[int], data: st.DataObject) -> None:
    space = st.sampled_from(["", "", " ", "\r\n\t\t", "\n"])
    text = data.draw(space) + ",".join(data.draw(space) + str(number) + data.draw(space) for number in numbers)
    assert parse_samples(text, "I").tolist() == numbers


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789-, \n.x", max_size=12))
def test_parsing_agrees_with_int_or_refuses(text: str) -> None:
    try:
        expected: list[int] | None = [int(cell) for cell in text.split(",")]
    except ValueError:
        expected = None
    if expected is None:
        with pytest.raises(Rejected):
            parse_samples(text, "I")
    else:
        assert parse_samples(text, "I").tolist() == expected


@needs(CARDIOSOFT_ECG)
def test_a_real_cardiosoft_file_reads_back_exactly() -> None:
    source = CARDIOSOFT_ECG.read_bytes()
    record: EcgRecord = read_ecg_xml(source)
    strip = ElementTree.fromstring(source).find("StripData")
    assert strip is not None
    naive = {lead.attrib["lead"]: [int(n) for n in (lead.text or "").split(",")] for lead in strip.iter("WaveformData")}
    np.testing.assert_array_equal(record.signal_uv, np.array([naive[lead] for lead in LEADS]) * 5)
    assert record.measurements.ventricular_rate_bpm == 42
    assert record.measurements.rr_interval_ms == 1440
    assert record.measurements.qrs_count == len(record.beat_times_ms) == 7
    assert record.lead_identity_error_uv <= 2.5
    assert record.flags == ("implausible_date",)


@needs(MUSE_ECG)
def test_a_real_muse_file_is_refused_by_name() -> None:
    assert refuse(MUSE_ECG.read_bytes()) is Reason.ECG_MUSE_DIALECT
