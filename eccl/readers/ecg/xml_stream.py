"""One pass over a CardioSoft XML that keeps the texts of a recording.

UK Biobank's files carry a FullDisclosure section of twelve times 162,000 samples that no step uses. lxml's parser calls
a target and builds no tree: that section costs time and no memory, because its text arrives in pieces and is dropped
(`iterparse` with `clear` is as fast and holds the whole section, 5 MB, at once). What is kept is bounded: texts by
length and number, paths by depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from eccl.errors import Reason, Rejected

MAX_BYTES = 64 << 20
MEASUREMENTS, EXERCISE_STRIP = "RestingECGMeasurements", "StripData/Strip"
DIAGNOSES, BEAT_TIMES = "Interpretation/Diagnosis/DiagnosisText", "StripData/ArrhythmiaResults/Time"
_CHUNK = 1 << 16
_LEAD = "StripData/WaveformData"
_KEPT = frozenset(
    {"ObservationType", *(f"ClinicalInfo/DeviceInfo/{tag}" for tag in ("Desc", "SoftwareVer", "AnalysisVer"))}
)
# Every element counts whose text could be cut (`EcgTexts.is_cut`), also one that no field of a record holds.
_KEPT_SECTIONS = ("ObservationDateTime/", "FilterSetting/", f"{MEASUREMENTS}/", "Interpretation/", "StripData/")
# They hold elements of the same names as the strip, one level deeper.
_SKIPPED = (f"{MEASUREMENTS}/MedianSamples", f"{MEASUREMENTS}/MeasurementTable")
_DEEPEST = 3  # levels of a kept path; longer ones are not joined, which a hostile file could make expensive
# 5000 samples take 15 to 35 thousand characters; a strip has 12 leads and a few beats.
_MAX_LEAD_CHARACTERS, _MAX_LEADS = 1 << 18, 64
_MAX_CHARACTERS, _MAX_REPEATED = 2_000, 200


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
        Which of `MEASUREMENTS` and `EXERCISE_STRIP` the file holds.
    is_cut
        True where a text, or a list of texts, was longer than any device writes; its beginning is kept.
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    leads: list[tuple[str, str]] = field(default_factory=list)
    sections: set[str] = field(default_factory=set)
    is_cut: bool = False

    def first(self, path: str) -> str:
        """Return the first text at a path, stripped; empty where there is none."""
        return next(iter(self.texts.get(path, ())), "").strip()


class _Target:
    """Receives lxml's parser events; see ``lxml.etree.XMLParser(target=...)``."""

    def __init__(self) -> None:
        self.found = EcgTexts()
        self._open: list[str] = []
        self._path = ""
        self._lead = ""
        self._buffer: list[str] | None = None  # of the innermost element, where its text is kept
        self._room = 0

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        # Reading ends at a declaration: MUSE files have one, CardioSoft files have none.
        if name == "RestingECG":
            raise _muse()
        raise Rejected(
            Reason.XML_MALFORMED,
            "found a document type declaration; CardioSoft exports have none; get the file again from its source",
        )

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._open:
            _check_root(tag)
        self._open.append(tag)
        self._buffer = None  # a text with an element inside is not kept
        if not 1 < len(self._open) <= _DEEPEST + 1:
            return
        self._path = "/".join(self._open[1:])
        if self._path in (MEASUREMENTS, EXERCISE_STRIP):
            self.found.sections.add(self._path)
        if self._path in _KEPT or self._path.startswith(_KEPT_SECTIONS):
            self._buffer = None if self._path.startswith(_SKIPPED) else []
            self._room = _MAX_LEAD_CHARACTERS if self._path == _LEAD else _MAX_CHARACTERS
            self._lead = attributes.get("lead", "")

    def data(self, text: str) -> None:
        if self._buffer is None:
            return
        if len(text) > self._room:
            if self._path == _LEAD:
                raise Rejected(
                    Reason.ECG_LEAD_LENGTH,
                    f"the text of a lead has more than {_MAX_LEAD_CHARACTERS} characters; expected 5000 numbers",
                )
            self.found.is_cut = True
        self._buffer.append(text[: self._room])
        self._room = max(0, self._room - len(text))

    def end(self, tag: str) -> None:
        self._open.pop()
        if self._buffer is not None:
            self._keep(self._path, "".join(self._buffer))
            self._buffer = None

    def _keep(self, path: str, text: str) -> None:
        if path == _LEAD:
            if len(self.found.leads) == _MAX_LEADS:
                raise Rejected(
                    Reason.ECG_LEADS_DUPLICATED, f"more than {_MAX_LEADS} leads; expected each of the 12 leads once"
                )
            self.found.leads.append((self._lead, text))
            return
        texts = self.found.texts.setdefault(path, [])
        is_list = path in (DIAGNOSES, BEAT_TIMES)  # of every other path the first text counts
        if len(texts) < (_MAX_REPEATED if is_list else 1):
            texts.append(text)
        elif is_list:
            self.found.is_cut = True

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
        The whole file. Bytes, never a decoded string: the XML declaration names the encoding (ISO-8859-1).
    max_bytes
        A larger file is rejected before anything is parsed (``limits.xml_mb``).

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
    parser = etree.XMLParser(
        target=_Target(),  # type: ignore[arg-type]
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    view = memoryview(source)
    try:
        for begin in range(0, len(source), _CHUNK):
            parser.feed(bytes(view[begin : begin + _CHUNK]))
        found: EcgTexts = parser.close()  # type: ignore[assignment]
    except etree.XMLSyntaxError as error:
        # libxml2's message may quote the file; its line number does not.
        raise Rejected(
            Reason.XML_MALFORMED,
            f"the XML breaks off or is not well-formed at line {error.lineno}; expected a complete file; download it "
            "again",
        ) from None
    return found
