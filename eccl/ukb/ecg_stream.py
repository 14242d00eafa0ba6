"""A pass over a CardioSoft XML that keeps only the texts a recording is made of.

UK Biobank's files carry a FullDisclosure section of twelve times 162,000 samples that nothing here needs. The parser
is fed in chunks, driven by events and builds no tree, so that section costs some time and no memory: its text arrives
chunk by chunk and is dropped.
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
        Paths of all elements that were opened outside skipped parts.
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    leads: list[tuple[str, str]] = field(default_factory=list)
    sections: set[str] = field(default_factory=set)

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
        self._lead = ""

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        # MUSE files have one and are refused by their root; CardioSoft files have none.
        if name != "RestingECG":
            raise Rejected(
                Reason.XML_MALFORMED,
                "found a document type declaration; CardioSoft exports have none; get the file again from its source",
            )

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._path and not self._skip_depth:
            _check_root(tag)
            self._path.append("")
            return
        if self._skip_depth:
            self._skip_depth += 1
            return
        self._path.append(tag)
        path = "/".join(self._path[1:])
        if path in _SKIPPED:
            self._path.pop()
            self._skip_depth = 1
            return
        self.found.sections.add(path)
        self._buffer = [] if path in _KEPT or path.startswith(_KEPT_SECTIONS) else None
        if path == "StripData/WaveformData":
            self._lead = attributes.get("lead", "")

    def data(self, text: str) -> None:
        if self._buffer is not None and not self._skip_depth:
            self._buffer.append(text)

    def end(self, tag: str) -> None:
        if self._skip_depth:
            self._skip_depth -= 1
            return
        path = "/".join(self._path[1:])
        if self._buffer is not None:
            text = "".join(self._buffer)
            if path == "StripData/WaveformData":
                self.found.leads.append((self._lead, text))
            else:
                self.found.texts.setdefault(path, []).append(text)
            self._buffer = None
        self._path.pop()

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
        raise Rejected(
            Reason.ECG_MUSE_DIALECT,
            "found a GE MUSE export (root RestingECG); expected a CardioSoft export (root CardiologyXML) as in field "
            "20205; export the recording from CardioSoft or convert it",
        )
    raise Rejected(
        Reason.ECG_UNKNOWN_DIALECT,
        "found an XML with another root element; expected CardiologyXML, the CardioSoft export of field 20205; check "
        "that the file is a resting ECG",
    )


def read_texts(source: bytes) -> EcgTexts:
    """Stream a file and keep its texts.

    Parameters
    ----------
    source
        The whole file. Bytes, never a decoded string: the XML declaration says the encoding (ISO-8859-1).

    Raises
    ------
    Rejected
        ``EMPTY_FILE``; ``XML_MALFORMED`` for a truncated file or one with a document type declaration;
        ``ECG_MUSE_DIALECT`` or ``ECG_UNKNOWN_DIALECT`` for another root element.
    """
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
    return target.found
