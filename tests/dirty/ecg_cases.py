"""Traps of ECG files: sections A1 and A5 of the fact sheet, and files made to do harm."""

from __future__ import annotations

import re
from collections.abc import Callable

from eccl.errors import Reason
from eccl.simulate.files.corruption import corrupt_ecg
from tests.dirty.cases import Case, accepted, flagged, quarantined

Edit = Callable[[bytes], bytes]
CANARY = b"canary-of-a-file-that-must-not-be-read"
DECLARATION = b'<?xml version="1.0" encoding="ISO-8859-1" ?>'
_LEAD = re.compile(rb'\t\t<WaveformData lead="([A-Za-z0-9]+)">.*?</WaveformData>\r\n', re.DOTALL)


def in_strip(edit: Edit) -> Edit:
    """Apply an edit to the strip alone: the medians use the same elements before it."""

    def edited(xml: bytes) -> bytes:
        head, mark, strip = xml.rpartition(b"<StripData>")
        return head + mark + edit(strip)

    return edited


def swap(old: bytes, new: bytes) -> Edit:
    """Replace what must be there."""

    def edited(xml: bytes) -> bytes:
        assert old in xml
        return xml.replace(old, new)

    return edited


def sub(pattern: bytes, new: bytes, count: int = 0) -> Edit:
    """Replace what must match."""

    def edited(xml: bytes) -> bytes:
        found, replaced = re.subn(pattern, new, xml, count=count, flags=re.DOTALL)
        assert replaced
        return found

    return edited


def simulated(kind: str) -> Edit:
    """One of the simulator's corruptions."""
    return lambda xml: corrupt_ecg(xml, kind)


def behind_declaration(text: bytes, root: bytes = b"CardiologyXML") -> Edit:
    """Put a document type behind the XML declaration."""
    return swap(DECLARATION, b'<?xml version="1.0" encoding="ISO-8859-1" ?>\r\n<!DOCTYPE ' + root + b" " + text)


def diagnosis(inner: bytes) -> Edit:
    """Another Interpretation."""
    return sub(rb"\t<Interpretation>.*?</Interpretation>", b"\t<Interpretation>" + inner + b"</Interpretation>")


def texts(*lines: bytes) -> bytes:
    return (
        b"<Diagnosis>" + b"".join(b"<DiagnosisText>" + line + b"</DiagnosisText>" for line in lines) + b"</Diagnosis>"
    )


def reorder_leads(strip: bytes) -> bytes:
    """I II III V1-V6 aVF aVL aVR, an order that other software uses."""
    found = {match[1]: match[0] for match in _LEAD.finditer(strip)}
    order = [b"I", b"II", b"III", *(b"V%d" % n for n in range(1, 7)), b"aVF", b"aVL", b"aVR"]
    first = _LEAD.search(strip)
    assert first is not None
    return strip[: first.start()] + b"".join(found[name] for name in order) + _LEAD.sub(b"", strip[first.start() :])


def set_samples(strip: bytes, lead: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    def edited(match: re.Match[bytes]) -> bytes:
        if match[1] != lead:
            return match[0]
        samples = change(re.findall(rb"-?\d+", match[0].partition(b">")[2]))
        return b'\t\t<WaveformData lead="' + lead + b'">\t\t' + b",".join(samples) + b"</WaveformData>\r\n"

    return _LEAD.sub(edited, strip)


def samples_of(lead: bytes, change: Callable[[list[bytes]], list[bytes]]) -> Edit:
    """Change the samples of one lead of the strip."""
    return in_strip(lambda strip: set_samples(strip, lead, change))


def all_flat(strip: bytes) -> bytes:
    for lead in (b"I", b"II", b"III", b"aVR", b"aVL", b"aVF", *(b"V%d" % n for n in range(1, 7))):
        strip = set_samples(strip, lead, lambda samples: [b"0"] * len(samples))
    return strip


def disclosure(rate: bytes) -> Edit:
    """A full disclosure in front of the end, as UK Biobank's files have it, trailing comma included."""
    block = b"\t<FullDisclosure>\r\n\t\t<NumberOfChannels>12</NumberOfChannels>\r\n\t\t<SampleRate>" + rate
    block += b"</SampleRate>\r\n\t\t<Resolution>5</Resolution>\r\n\t\t<FullDisclosureData>" + b"12,-7," * 50_000
    block += b"</FullDisclosureData>\r\n\t</FullDisclosure>\r\n</CardiologyXML>"
    return swap(b"</CardiologyXML>", block)


_LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
_BOMB = b'[<!ENTITY l0 "lol">' + _LAUGHS + b"]>"
_MEASURED = rb"\t<RestingECGMeasurements>"

CASES: tuple[Case, ...] = (
    # the file
    Case("empty", "A5", "no bytes", lambda xml: b"", quarantined(Reason.EMPTY_FILE)),
    Case("blank", "A5", "blanks only", lambda xml: b" \r\n" * 50, quarantined(Reason.EMPTY_FILE)),
    Case("truncated", "A5", "the download broke off", simulated("truncated_xml"), quarantined(Reason.XML_MALFORMED)),
    Case("no_end", "A5", "only the last bytes are missing", lambda xml: xml[:-12], quarantined(Reason.XML_MALFORMED)),
    Case("html", "A5", "an error page under the file's name", lambda xml: b"<html><body>502</body></html>",
         quarantined(Reason.ECG_UNKNOWN_DIALECT)),
    # leads
    Case("eleven_leads", "A5", "a lead is missing", simulated("missing_lead"), quarantined(Reason.ECG_LEADS_MISSING)),
    Case("one_lead", "A5", "one lead only, which some parsers turn from a list into an object",
         in_strip(sub(rb'\t\t<WaveformData lead="(?!I").*?</WaveformData>\r\n', b"")),
         quarantined(Reason.ECG_LEADS_MISSING)),
    Case("no_leads", "A5", "a strip without waveforms", in_strip(sub(rb"\t\t<WaveformData.*?</WaveformData>\r\n", b"")),
         quarantined(Reason.ECG_NO_STRIP)),
    Case("lead_twice", "A5", "a lead occurs twice", in_strip(swap(b'lead="V6"', b'lead="V5"')),
         quarantined(Reason.ECG_LEADS_DUPLICATED)),
    Case("short_lead", "A5", "leads of unequal length", samples_of(b"V2", lambda samples: samples[:-1]),
         quarantined(Reason.ECG_LEAD_LENGTH)),
    Case("extra_lead", "A5", "a thirteenth lead", in_strip(swap(
        b"\t\t<ArrhythmiaResults>", b'\t\t<WaveformData lead="V7">1,2</WaveformData>\r\n\t\t<ArrhythmiaResults>')),
        flagged("extra_leads")),
    Case("lead_order", "A5", "leads in another order", in_strip(reorder_leads), flagged("lead_order_differs")),
    Case("lead_case_lower", "A5", "lead names in lower case", simulated("lower_case_leads"), accepted()),
    Case("lead_case_upper", "A5", "lead names in upper case", in_strip(swap(b'lead="aV', b'lead="AV')), accepted()),
    # samples
    Case("blank_sample", "A5", "nothing between two commas", simulated("blank_sample"),
         quarantined(Reason.ECG_SAMPLES_NOT_INTEGER)),
    Case("text_sample", "A5", "text among the samples", samples_of(b"V1", lambda samples: [b"n/a", *samples[1:]]),
         quarantined(Reason.ECG_SAMPLES_NOT_INTEGER)),
    Case("fraction_sample", "A5", "a fraction among the samples",
         samples_of(b"V1", lambda samples: [b"1.5", *samples[1:]]), quarantined(Reason.ECG_SAMPLES_NOT_INTEGER)),
    Case("huge_sample", "A5", "a sample beyond 16 bits", samples_of(b"V1", lambda samples: [b"99999", *samples[1:]]),
         quarantined(Reason.ECG_SAMPLES_OUT_OF_RANGE)),
    Case("swapped_leads", "A5", "limb leads contradict each other", simulated("lead_identity_broken"),
         quarantined(Reason.ECG_LEAD_IDENTITY)),
    Case("flat_lead", "A5", "one lead is flat, without a flag in the XML",
         samples_of(b"V4", lambda samples: [b"0"] * len(samples)), accepted(flat_leads=1)),
    Case("all_flat", "A5", "all leads are flat", in_strip(all_flat), quarantined(Reason.ECG_NO_SIGNAL)),
    Case("saturated", "A5", "a lead at the end of its range",
         samples_of(b"V4", lambda samples: [*([b"6553"] * 2500), *samples[2500:]]), accepted(saturated_fraction=0.0417)),
    # rate and resolution
    Case("sample_rate", "A5", "another sample rate", in_strip(sub(rb"(<SampleRate[^>]*>)500", rb"\g<1>1000")),
         quarantined(Reason.ECG_SAMPLE_RATE)),
    Case("no_sample_rate", "A5", "no sample rate", in_strip(sub(rb"(<SampleRate[^>]*>)500", rb"\1")),
         quarantined(Reason.ECG_SAMPLE_RATE)),
    Case("disclosure", "A5", "a full disclosure, which is not read", disclosure(b"500"), accepted()),
    Case("disclosure_100", "A5", "a full disclosure at 100 Hz beside a strip at 500 Hz", disclosure(b"100"), accepted()),
    Case("resolution", "A5", "another resolution than 5 uV", in_strip(sub(rb"(<Resolution[^>]*>)5<", rb"\g<1>4.88<")),
         accepted(resolution_uv=4.88)),
    Case("no_resolution", "A5", "no resolution", in_strip(sub(rb"(<Resolution[^>]*>)5<", rb"\1<")),
         quarantined(Reason.ECG_RESOLUTION)),
    Case("zero_resolution", "A5", "a resolution of 0", in_strip(sub(rb"(<Resolution[^>]*>)5<", rb"\g<1>0<")),
         quarantined(Reason.ECG_RESOLUTION)),
    Case("declared_length", "A5", "another number of samples declared than written",
         in_strip(sub(rb"(<ChannelSampleCountTotal>)5000", rb"\g<1>4999")), flagged("sample_count_differs")),
    # measurements and texts
    Case("no_rate", "A5", "an empty VentricularRate", simulated("empty_ventricular_rate"),
         flagged("no_ventricular_rate", ventricular_rate_bpm=None, rr_source="signal")),
    Case("rate_absent", "A5", "no VentricularRate at all", sub(rb"\t\t<VentricularRate.*?</VentricularRate>\r\n", b""),
         flagged("no_ventricular_rate", ventricular_rate_bpm=None, rr_source="signal")),
    Case("zero_rate", "A5", "a VentricularRate of 0", sub(rb"(<VentricularRate[^>]*>)\d+", rb"\g<1>0"),
         flagged("no_ventricular_rate", rr_source="signal")),
    Case("measured_dashes", "A5", "dashes where a measurement should be", sub(rb"(<PQInterval[^>]*>)\d*<", rb"\1---<"),
         flagged("unreadable_measurement", pq_interval_ms=None)),
    Case("no_measurements", "A5", "no RestingECGMeasurements", simulated("no_measurements"),
         flagged("no_measurements", rr_source="signal", qrs_count=None)),
    Case("no_medians", "A5", "no MedianSamples", sub(rb"\t\t<MedianSamples>.*?</MedianSamples>\r\n", b""), accepted()),
    Case("no_interpretation", "A5", "an empty Interpretation", diagnosis(b""), accepted(diagnosis=None)),
    Case("no_diagnosis", "A5", "rulers, counts and headings among the diagnoses", diagnosis(texts(
        b"---", b"QRS Complexes: 9, 9 normal", b"Arrhythmia results of the full-disclosure ECG", b"Sinus rhythm")),
        accepted(diagnosis="Sinus rhythm")),
    Case("poor_quality", "A5", "the device complains of poor data quality", simulated("poor_data_quality"),
         flagged("poor_data_quality")),
    Case("no_date", "A5", "no ObservationDateTime", sub(rb"\t<ObservationDateTime>.*?</ObservationDateTime>\r\n", b""),
         flagged("no_date", observed_at=None)),
    Case("wrong_date", "A5", "a clock that was never set", sub(rb"<Year>\d+</Year>(?=\r\n\t</ObservationDateTime>)",
         b"<Year>1</Year>"), flagged("implausible_date", observed_at=None)),
    # dialects
    Case("muse", "A5", "a MUSE export", simulated("muse_root"), quarantined(Reason.ECG_MUSE_DIALECT)),
    Case("muse_dtd", "A5", "a MUSE export with its document type",
         lambda xml: behind_declaration(b'SYSTEM "restecg.dtd">', b"RestingECG")(corrupt_ecg(xml, "muse_root")),
         quarantined(Reason.ECG_MUSE_DIALECT)),
    Case("exercise", "A5", "an exercise test", swap(b">RestECG<", b">ExerciseECG<"), quarantined(Reason.ECG_EXERCISE_TEST)),
    Case("exercise_strips", "A5", "strips of an exercise test in a resting ECG",
         swap(b"<StripData>", b"<StripData><Strip></Strip>"), quarantined(Reason.ECG_EXERCISE_TEST)),
    Case("no_kind", "A5", "no ObservationType", swap(b">RestECG<", b"><"), quarantined(Reason.ECG_UNKNOWN_DIALECT)),
    Case("namespace", "A5", "elements of a namespace", swap(b"<CardiologyXML>", b'<CardiologyXML xmlns="urn:x">'),
         quarantined(Reason.ECG_UNKNOWN_DIALECT)),
    # encodings
    Case("latin1", "A5", "a letter of ISO 8859-1, as declared", diagnosis(texts(b"Sinusrhythmus, gepr\xfcft")),
         accepted(diagnosis="Sinusrhythmus, geprüft")),
    Case("utf8_declared", "A5", "the same in UTF-8, as declared", lambda xml: diagnosis(
        texts("Sinusrhythmus, geprüft".encode()))(xml).replace(b"ISO-8859-1", b"UTF-8"),
        accepted(diagnosis="Sinusrhythmus, geprüft")),
    Case("utf8_lie", "A5", "bytes of ISO 8859-1 declared as UTF-8", lambda xml: diagnosis(
        texts(b"gepr\xfcft"))(xml).replace(b"ISO-8859-1", b"UTF-8"), quarantined(Reason.XML_MALFORMED)),
    # hostile
    Case("utf16_lie", "hostile", "bytes of ISO 8859-1 declared as UTF-16", swap(b"ISO-8859-1", b"UTF-16"),
         quarantined(Reason.XML_MALFORMED)),
    Case("no_such_encoding", "hostile", "an encoding that does not exist", swap(b"ISO-8859-1", b"X-NONE-9"),
         quarantined(Reason.XML_MALFORMED)),
    Case("zero_bytes", "hostile", "zero bytes in the middle", swap(b"<StripData>", b"<StripData>\0\0"),
         quarantined(Reason.XML_MALFORMED)),
    Case("laughs", "hostile", "entities that expand to gigabytes", lambda xml: behind_declaration(_BOMB)(
        xml.replace(b">RestECG<", b">&l9;<")), quarantined(Reason.XML_MALFORMED)),
    Case("laughs_in_muse", "hostile", "the same under the document type of another dialect",
         lambda xml: behind_declaration(_BOMB, b"RestingECG")(xml.replace(b">RestECG<", b">&l9;<")),
         quarantined(Reason.ECG_MUSE_DIALECT)),
    Case("entity_of_file", "hostile", "an external entity that names a file", lambda xml: behind_declaration(
        b'[<!ENTITY x SYSTEM "file://{canary}">]>')(diagnosis(texts(b"&x;"))(xml)), quarantined(Reason.XML_MALFORMED)),
    Case("entity_of_server", "hostile", "an external entity that names a server", lambda xml: behind_declaration(
        b'[<!ENTITY x SYSTEM "http://127.0.0.1:{port}/x">]>')(diagnosis(texts(b"&x;"))(xml)),
        quarantined(Reason.XML_MALFORMED)),
    Case("dtd_of_server", "hostile", "a document type that is on a server",
         behind_declaration(b'SYSTEM "http://127.0.0.1:{port}/x.dtd">'), quarantined(Reason.XML_MALFORMED)),
    Case("parameter_entity", "hostile", "a parameter entity that is on a server", behind_declaration(
        b'[<!ENTITY % p SYSTEM "http://127.0.0.1:{port}/p"> %p;]>'), quarantined(Reason.XML_MALFORMED)),
    Case("undeclared_entity", "hostile", "an entity without a declaration", swap(b">RestECG<", b">&rest;<"),
         quarantined(Reason.XML_MALFORMED)),
    Case("xinclude", "hostile", "an inclusion of a file, which stays text", diagnosis(texts(b"Sinus rhythm") +
         b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{canary}" parse="text"/>'),
         accepted(diagnosis="Sinus rhythm")),
    Case("stylesheet", "hostile", "a stylesheet that is on a server", swap(DECLARATION, DECLARATION +
         b'<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:{port}/x.xsl"?>'), accepted()),
    Case("huge_attribute", "hostile", "an attribute of 12 MB",
         lambda xml: xml.replace(b"<StripData>", b'<StripData a="' + b"x" * (12 << 20) + b'">'),
         quarantined(Reason.XML_MALFORMED)),
    Case("many_attributes", "hostile", "an element of 200,000 attributes", lambda xml: xml.replace(
        b"<StripData>", b"<StripData " + b" ".join(b'a%d=""' % n for n in range(200_000)) + b">"), accepted()),
    Case("huge_name", "hostile", "an element's name of 1 MB",
         lambda xml: xml.replace(b"<Export>", b"<" + b"n" * (1 << 20) + b"/><Export>"), quarantined(Reason.XML_MALFORMED)),
    Case("deep", "hostile", "100,000 elements inside each other",
         swap(b"<Export>", b"<a>" * 100_000 + b"</a>" * 100_000 + b"<Export>"), accepted()),
    Case("deep_and_long", "hostile", "200 elements of long names inside each other, and many inside these",
         swap(b"<Export>", b"<" + b"n" * 9_000 + b">" + b"<%s>" % (b"m" * 9_000) * 200 + b"<x/>" * 50_000
              + b"</%s>" % (b"m" * 9_000) * 200 + b"</" + b"n" * 9_000 + b"><Export>"), accepted()),
    Case("many_names", "hostile", "100,000 elements of different names",
         lambda xml: xml.replace(b"<Export>", b"".join(b"<n%d/>" % n for n in range(100_000)) + b"<Export>"), accepted()),
    Case("huge_text", "hostile", "a diagnosis of 5 MB", diagnosis(texts(b"Sinus rhythm " * 400_000)),
         flagged("texts_cut")),
    Case("huge_conclusion", "hostile", "a conclusion of 5 MB, which no column holds", diagnosis(
        b"<Conclusion><ConclusionText>" + b"Sinus rhythm " * 400_000 + b"</ConclusionText></Conclusion>"),
         flagged("texts_cut")),
    Case("many_texts", "hostile", "50,000 diagnoses", diagnosis(texts(*([b"Sinus rhythm"] * 50_000))),
         flagged("texts_cut")),
    Case("blank_lead", "hostile", "a lead of 20 MB of blanks",
         in_strip(swap(b'lead="V1">', b'lead="V1">' + b" 1\n" * 7_000_000)),
         quarantined(Reason.ECG_LEAD_LENGTH)),
    Case("many_leads", "hostile", "20,000 leads", in_strip(swap(
        b"\t\t<ArrhythmiaResults>", b'<WaveformData lead="X">1</WaveformData>' * 20_000 + b"\t\t<ArrhythmiaResults>")),
        quarantined(Reason.ECG_LEADS_DUPLICATED)),
    Case("split_lead", "hostile", "an element between the digits of a sample", in_strip(sub(
        rb'(lead="V1">\t\t-?\d)', rb"\1<b/>", 1)), quarantined(Reason.ECG_LEADS_MISSING)),
    Case("blanks_65_mb", "hostile", "65 MB of blanks behind the end", lambda xml: xml + b" " * (65 << 20),
         quarantined(Reason.FILE_TOO_LARGE)),
    Case("huge_count", "hostile", "a number of beats that no column holds", sub(
        rb"<QRSNum>\d+", b"<QRSNum>1e308"), flagged("unreadable_measurement", qrs_count=None)),
    Case("endless_year", "hostile", "a year of 4000 digits", sub(
        rb"<Year>\d+</Year>(?=\r\n\t</ObservationDateTime>)", b"<Year>" + b"9" * 1_900 + b"</Year>"),
        flagged("implausible_date", observed_at=None)),
    Case("endless_sample", "hostile", "a sample of 100,000 digits", samples_of(
        b"V1", lambda samples: [b"9" * 100_000, *samples[1:]]), quarantined(Reason.ECG_SAMPLES_OUT_OF_RANGE)),
    Case("huge_resolution", "hostile", "a resolution that overflows", in_strip(sub(
        rb"(<Resolution[^>]*>)5<", rb"\g<1>1e308<")), quarantined(Reason.ECG_RESOLUTION)),
    Case("tiny_rate", "hostile", "a heart rate of nearly nothing", sub(
        rb"(<VentricularRate[^>]*>)\d+", rb"\g<1>1e-300"), accepted(rr_source="signal")),
)  # fmt: skip
"""Every trap; `{canary}` and `{port}` in the bytes stand for a file and a server that must not be reached."""

SAME_SAMPLES = frozenset(
    {
        "lead_order", "lead_case_lower", "lead_case_upper", "extra_lead", "disclosure", "disclosure_100", "no_rate",
        "no_medians", "poor_quality", "declared_length", "huge_text", "many_attributes", "xinclude", "stylesheet",
    }
)  # fmt: skip
"""Traps that may not change a sample."""
