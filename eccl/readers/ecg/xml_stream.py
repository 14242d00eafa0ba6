"""A pass over a CardioSoft XML that keeps only the texts a recording is made of.

UK Biobank's files carry a FullDisclosure section of twelve times 162,000 samples that nothing here needs. The parser
is fed in chunks, driven by events and builds no tree, so that section costs some time and no memory: its text arrives
chunk by chunk and is dropped. What is kept is bounded: texts by their length and number, paths by their depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from eccl.errors import Reason, Rejected

_CHUNK = 1 << 16
# Medians and loops hold elements of the same names as the strip.
_SKIPPED = frozenset(
    {"FullDisclosure", "RestingECGMeasurements/MedianSamples", "RestingECGMeasurements/MeasurementTable", "VectorLoops"}
)
_KEPT_SECTIONS = ("ObservationDateTime/", "FilterSetting/", "RestingECGMeasurements/", "Interpretation/", "StripData/")
_WATCHED = frozenset({"RestingECGMeasurements", "StripData/Strip"})
_LEAD = "StripData/WaveformData"
# Texts that are lists; of every other path the first text counts.
_REPEATED = frozenset({"Interpretation/Diagnosis/DiagnosisText", "StripData/ArrhythmiaResults/Time"})
MAX_BYTES = 64 << 20
# Nothing that is kept lies deeper below the root; a path of long names could not be joined for every element.
_MAX_DEPTH = 3
# 5000 samples take 15 to 35 thousand characters; a strip has 12 leads and a few beats.
_MAX_LEAD_CHARACTERS, _MAX_LEADS = 1 << 18, 64
_MAX_CHARACTERS, _MAX_REPEATED = 2_000, 200
_KEPT = frozenset({"ObservationType", "ClinicalInfo/DeviceInfo/SoftwareVer", "ClinicalInfo/DeviceInfo/AnalysisVer"}) | {
    "ClinicalInfo/DeviceInfo/Desc"
}


@dataclass(slots=True)
class EcgTexts:
    """Texts of one file, as written.

    Attributes
    ----------
    texts
        Text of every kept element by its path below the root, in order of the file.
    leads
        Name and samples of every ``StripData/WaveformData``, in order of the file.
    sections
        Which of the elements whose presence matters were opened: the measurements, an exercise test's strips.
    is_cut
        True where a text, or a list of texts, was longer than any device writes; its beginning is kept.
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    leads: list[tuple[str, str]] = field(default_factory=list)
    sections: set[str] = field(default_factory=set)
    is_cut: bool = False

    def first(self, path: str) -> str:
        """First text at a path, stripped; empty where there is none."""
        return next(iter(self.texts.get(path, ())), "").strip()


class _Target:
    """Receives lxml's parser events; see ``lxml.etree.XMLParser(target=...)``."""

    def __init__(self) -> None:
        self.found = EcgTexts()
        self._path: list[str] = []
        self._skip_depth = 0
        self._buffer: list[str] | None = None
        self._room = 0
        self._lead = ""

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        # Nothing behind a declaration is read: MUSE files have one, CardioSoft files have none.
        if name == "RestingECG":
            raise _muse()
        raise Rejected(
            Reason.XML_MALFORMED,
            "found a document type declaration; CardioSoft exports have none; get the file again from its source",
        )

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._path and not self._skip_depth:
            _check_root(tag)
            self._path.append("")
            return
        if self._skip_depth or len(self._path) > _MAX_DEPTH:
            # A text with an element inside is no text of a device; it is not kept.
            self._buffer = None
            self._skip_depth += 1
            return
        self._path.append(tag)
        path = "/".join(self._path[1:])
        if path in _SKIPPED:
            self._path.pop()
            self._skip_depth = 1
            return
        if path in _WATCHED:
            self.found.sections.add(path)
        self._buffer = [] if path in _KEPT or path.startswith(_KEPT_SECTIONS) else None
        self._room = _MAX_CHARACTERS
        if path == _LEAD:
            self._lead = attributes.get("lead", "")
            self._room = _MAX_LEAD_CHARACTERS

    def data(self, text: str) -> None:
        if self._buffer is None or self._skip_depth:
            return
        if len(text) > self._room:
            if "/".join(self._path[1:]) == _LEAD:
                raise Rejected(
                    Reason.ECG_LEAD_LENGTH,
                    f"the text of a lead has more than {_MAX_LEAD_CHARACTERS} characters; expected 5000 numbers",
                )
            self.found.is_cut = True
        self._buffer.append(text[: self._room])
        self._room = max(0, self._room - len(text))

    def end(self, tag: str) -> None:
        if self._skip_depth:
            self._skip_depth -= 1
            return
        path = "/".join(self._path[1:])
        if self._buffer is not None:
            self._keep(path, "".join(self._buffer))
            self._buffer = None
        self._path.pop()

    def _keep(self, path: str, text: str) -> None:
        if path == _LEAD:
            if len(self.found.leads) == _MAX_LEADS:
                raise Rejected(
                    Reason.ECG_LEADS_DUPLICATED, f"more than {_MAX_LEADS} leads; expected each of the 12 leads once"
                )
            self.found.leads.append((self._lead, text))
            return
        texts = self.found.texts.setdefault(path, [])
        if len(texts) < (_MAX_REPEATED if path in _REPEATED else 1):
            texts.append(text)
        elif path in _REPEATED:
            self.found.is_cut = True

    def comment(self, text: str) -> None:
        """Comments are not data."""

    def pi(self, target: str, data: str | None = None) -> None:
        """Processing instructions are not data."""

    def close(self) -> EcgTexts:
        return self.found


def _check_root(tag: str) -> None:
    if tag == "CardiologyXML":
        return
    if tag == "RestingECG":
        raise _muse()
    raise Rejected(
        Reason.ECG_UNKNOWN_DIALECT,
        "found an XML with another root element; expected CardiologyXML, the CardioSoft export of field 20205; check "
        "that the file is a resting ECG",
    )


def _muse() -> Rejected:
    return Rejected(
        Reason.ECG_MUSE_DIALECT,
        "found a GE MUSE export (root RestingECG); expected a CardioSoft export (root CardiologyXML) as in field "
        "20205; export the recording from CardioSoft or convert it",
    )


def read_texts(source: bytes, max_bytes: int = MAX_BYTES) -> EcgTexts:
    """Stream a file and keep its texts.

    Parameters
    ----------
    source
        The whole file. Bytes, never a decoded string: the XML declaration says the encoding (ISO-8859-1).
    max_bytes
        More is refused before anything is parsed (``limits.xml_mb``).

    Raises
    ------
    Rejected
        ``FILE_TOO_LARGE``; ``EMPTY_FILE``; ``XML_MALFORMED`` for a truncated file or one with a document type
        declaration; ``ECG_MUSE_DIALECT`` or ``ECG_UNKNOWN_DIALECT`` for another root element; ``ECG_LEAD_LENGTH`` or
        ``ECG_LEADS_DUPLICATED`` for leads longer, or more, than any recorder writes.
    """
    if len(source) > max_bytes:
        raise Rejected(
            Reason.FILE_TOO_LARGE,
            f"found {len(source)} bytes; expected at most {max_bytes} of an ECG (limits.xml_mb in params.yaml); "
            "raise the limit if the file is genuine",
        )
    if not source or source.isspace():
        raise Rejected(
            Reason.EMPTY_FILE, f"found {len(source)} bytes without content; expected an XML; download it again"
        )
    target = _Target()
    parser = etree.XMLParser(
        target=target,  # type: ignore[arg-type]
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    _feed(parser, source)
    return target.found


def _feed(parser: etree.XMLParser, source: bytes) -> None:
    view = memoryview(source)
    try:
        for begin in range(0, len(source), _CHUNK):
            parser.feed(bytes(view[begin : begin + _CHUNK]))
        parser.close()
    except etree.XMLSyntaxError as error:
        # libxml2's message may quote the file; its line number does not.
        raise Rejected(
            Reason.XML_MALFORMED,
            f"the XML breaks off or is not well-formed at line {error.lineno}; expected a complete file; download it "
            "again",
        ) from None
