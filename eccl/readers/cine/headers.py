"""One DICOM file's header as a plain record.

Only the elements listed here are read, and reading stops before the vendor's private groups and the pixels: a study
has 500 to 650 files. Names, birth dates and ids are never parsed. Values are decoded from their bytes here and not by
pydicom's converters, which warn (with the value in the text) on the many slightly wrong values of real files.
"""

from __future__ import annotations

import logging
import math
import re
import struct
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from io import BytesIO
from typing import IO
from zipfile import ZipFile, ZipInfo

from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_partial
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from eccl.readers.cine.archive import is_plain

ENHANCED_MR = frozenset({"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # the whole file would be inflated without a bound
_UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
_FIRST_BYTES = 1 << 13  # unpacking more than a header takes longer than reading it
_HEAD_BYTES = 1 << 15
_LONGEST_HEAD_BYTES = 1 << 20  # private groups in front of the image description have some KB
_LONGEST_VALUE = 1 << 10
# No length, time or count of a study is larger; products and sums of such numbers stay finite.
_LARGEST_NUMBER = 1e10
_LAST_TAG = 0x00281053
_PREAMBLE_BYTES = 132
_LAST_META_TAG, _SYNTAX_TAG = 0x0002FFFF, 0x00020010
_OTHER_ENCODING = frozenset({"", ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian})

_TAGS = {
    "sop_class": 0x00080016,
    "sop_uid": 0x00080018,
    "study_date": 0x00080020,
    "series_date": 0x00080021,
    "acquisition_date": 0x00080022,
    "content_date": 0x00080023,
    "acquisition_datetime": 0x0008002A,
    "series_time": 0x00080031,
    "acquisition_time": 0x00080032,
    "modality": 0x00080060,
    "manufacturer": 0x00080070,
    "series_description": 0x0008103E,
    "model": 0x00081090,
    "spacing_between_slices": 0x00180088,
    "trigger_time": 0x00181060,
    "nominal_interval": 0x00181062,
    "cardiac_images": 0x00181090,
    "series_uid": 0x0020000E,
    "series_number": 0x00200011,
    "instance_number": 0x00200013,
    "position": 0x00200032,
    "orientation": 0x00200037,
    "slice_location": 0x00201041,
    "samples": 0x00280002,
    "frames": 0x00280008,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "spacing": 0x00280030,
    "bits_allocated": 0x00280100,
}
_BINARY = frozenset({"samples", "rows", "columns", "bits_allocated"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class NotAnImage(Exception):
    """The member is no image: contours, text, a DICOM directory or report."""


class BrokenFile(Exception):
    """The member should be an image and cannot be read as one."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """Header of one DICOM file; None where a value is missing or unusable.

    `member` is the file's index in the zip directory, `series` its SeriesDescription in lower case with blanks as
    underscores, lengths in mm, times in ms (`trigger_ms`) or seconds of the day (`*_time_s`).
    """

    member: int
    sop_class: str
    sop_uid: str
    series_uid: str
    series: str
    modality: str
    manufacturer: str
    acquired_on: date | None
    series_time_s: float | None
    acquisition_time_s: float | None
    series_number: int | None
    instance: int | None
    trigger_ms: float | None
    nominal_interval_ms: float | None
    cardiac_images: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    slice_location: float | None
    slice_step_mm: float | None
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None
    samples: int
    frames: int

    @property
    def is_multiframe(self) -> bool:
        """True for enhanced MR and for any file that holds more than one frame."""
        return self.frames > 1 or self.sop_class in ENHANCED_MR


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence the warnings and log lines of pydicom and its decoders, which quote element values."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "openjpeg", "libjpeg")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def read_header(archive: ZipFile, info: ZipInfo, member: int) -> FrameHeader:
    """Read the header of one zip member; its pixels are not touched.

    Raises
    ------
    NotAnImage
        Text, contours, a DICOM directory, a report.
    BrokenFile
        A DICOM file that is cut, damaged, encrypted or of a compression that cannot be read.
    """
    looks_dicom = info.filename.lower().endswith((".dcm", ".ima"))
    if not is_plain(info):
        raise BrokenFile if looks_dicom else NotAnImage
    try:
        with archive.open(info) as stream:
            head = stream.read(_FIRST_BYTES)
            if head[128:132] != b"DICM" and not looks_dicom:
                raise NotAnImage
            values, syntax = _quick_values(head) or _read_partial_values(head, stream, info.file_size)
    except (NotAnImage, BrokenFile):
        raise
    # A damaged file can make the parser fail in any way; whatever it is, the file is counted and left out.
    except Exception as error:
        raise BrokenFile from error
    return _to_header(values, syntax, info.file_size, member)


def read_elements(content: bytes, wanted: Collection[int]) -> tuple[dict[int, bytes], str, bool] | None:
    """Read the raw values of some elements from a file, or from the beginning of one.

    pydicom's generator of raw elements takes half the time of `read_partial`, which builds data sets around them.

    Parameters
    ----------
    content
        The file's bytes from the start.
    wanted
        Tags as numbers; none of group 2 and none within a sequence.

    Returns
    -------
    tuple or None
        Values by tag, the transfer syntax, and whether an element behind the last wanted one was reached (only then is
        no value cut). None for a file without preamble or transfer syntax, a big-endian or deflated one, and one that
        cannot be parsed.
    """
    if content[128:_PREAMBLE_BYTES] != b"DICM":
        return None
    stream, last, is_behind = BytesIO(content), max(wanted), int.__gt__  # BaseTag's own operators are slow
    stream.seek(_PREAMBLE_BYTES)
    try:
        meta = data_element_generator(stream, False, True, stop_when=lambda tag, *_: is_behind(tag, _LAST_META_TAG))
        values = {int(element.tag): element.value for element in meta if isinstance(element.value, bytes)}
        syntax = values.get(_SYNTAX_TAG, b"").decode("ascii").strip("\0 ")
        if syntax in _OTHER_ENCODING:
            return None
        found = data_element_generator(
            *(stream, syntax == ImplicitVRLittleEndian, True),
            stop_when=lambda tag, *_: is_behind(tag, last),
            specific_tags=list(wanted),
        )
        values = {int(element.tag): element.value for element in found if isinstance(element.value, bytes)}
    except Exception:  # damaged, or cut within a sequence: pydicom's own reader decides
        return None
    # Stopped by a later element, the stream stands in front of it; else it was read to its end.
    return values, syntax, stream.tell() + 8 <= len(content)


def _quick_values(head: bytes) -> tuple[dict[str, str], str] | None:
    """Read element texts by name and the transfer syntax; None where another reader has to be used."""
    found = read_elements(head, _TAGS.values())
    if found is None or not found[2]:
        return None
    texts = {name: _to_text(name, found[0][tag]) for name, tag in _TAGS.items() if tag in found[0]}
    return {name: text for name, text in texts.items() if text}, found[1]


def _read_partial_values(head: bytes, stream: IO[bytes], file_bytes: int) -> tuple[dict[str, str], str]:
    for size in (_HEAD_BYTES, _LONGEST_HEAD_BYTES):
        head += stream.read(size - len(head))
        values, syntax, is_complete = _read_values(head)
        if is_complete or file_bytes <= size:
            return values, syntax
    raise BrokenFile


@lru_cache(maxsize=256)  # the files of a series repeat most values
def normalise_series(description: str) -> str:
    """Lower case, blanks as underscores: the form in which series names are compared."""
    return re.sub(r"\s+", "_", description.strip()).lower()


@lru_cache(maxsize=256)
def to_date(text: str) -> date | None:
    """Read a DICOM date: ``20150830``, ``2015.08.30``, the start of a DT, or UK Biobank's ``30-Aug-2015 12:00:00``."""
    if found := re.match(r"\s*(\d{4})[.-]?(\d{2})[.-]?(\d{2})", text):
        year, month, day = (int(part) for part in found.groups())
    elif (found := re.match(r"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4})", text)) and found[2].lower() in _MONTHS:
        year, month, day = int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1])
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:  # de-identified files carry days such as 20120000
        return None


@lru_cache(maxsize=256)
def to_seconds(text: str) -> float | None:
    """Seconds of the day from a DICOM time: ``083859.638``, ``08:38:59`` or the time behind a spelled-out date."""
    found = re.search(r"(?:^|\s)(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d*)?)?\s*$", text.strip())
    if not found:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _read_values(data: bytes) -> tuple[dict[str, str], str, bool]:
    """Element texts by name, the transfer syntax, and whether the end of the wanted elements was reached."""
    if _DEFLATED in data:
        raise BrokenFile
    is_complete = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal is_complete
        is_complete = int(tag) > _LAST_TAG
        return is_complete

    dataset = read_partial(BytesIO(data), stop_when=stop, force=True, specific_tags=list(_TAGS.values()))
    values = {name: text for name, tag in _TAGS.items() if (text := _text(dataset, name, tag))}
    return values, str(dataset.file_meta.get("TransferSyntaxUID", "")), is_complete


def _text(dataset: Dataset, name: str, tag: int) -> str:
    if tag not in dataset:
        return ""
    element = dataset.get_item(tag)
    raw = element.value if element is not None else None
    if not isinstance(raw, bytes):  # a sequence under the number of a plain element
        return ""
    return _to_text(name, raw, is_little_endian=getattr(element, "is_little_endian", True))


def _to_text(name: str, raw: bytes, *, is_little_endian: bool = True) -> str:
    if name in _BINARY:
        return str(struct.unpack("<H" if is_little_endian else ">H", raw[:2])[0])
    return raw[:_LONGEST_VALUE].decode("latin-1").strip(" \0\t\r\n")


def _to_header(values: dict[str, str], syntax: str, file_bytes: int, member: int) -> FrameHeader:
    sop_class = values.get("sop_class", "")
    rows, columns = _integer(values.get("rows")) or 0, _integer(values.get("columns")) or 0
    if rows < 1 or columns < 1:
        raise BrokenFile if sop_class in {"", MR_IMAGE} else NotAnImage
    frames, samples = _integer(values.get("frames")) or 1, _integer(values.get("samples")) or 1
    pixel_bytes = rows * columns * frames * samples * ((_integer(values.get("bits_allocated")) or 16) // 8)
    if syntax in _UNCOMPRESSED and file_bytes < pixel_bytes:
        raise BrokenFile
    spacing = _numbers(values.get("spacing"), 2)
    dates = ("acquisition_date", "acquisition_datetime", "content_date", "series_date", "study_date")
    return FrameHeader(
        member=member,
        sop_class=sop_class,
        sop_uid=values.get("sop_uid", ""),
        series_uid=values.get("series_uid", ""),
        series=normalise_series(values.get("series_description", "")),
        modality=values.get("modality", ""),
        manufacturer=" ".join(part for name in ("manufacturer", "model") if (part := values.get(name, ""))),
        acquired_on=next((day for name in dates if (day := to_date(values.get(name, "")))), None),
        series_time_s=to_seconds(values.get("series_time", "")),
        acquisition_time_s=to_seconds(values.get("acquisition_time", "")),
        series_number=_integer(values.get("series_number")),
        instance=_integer(values.get("instance_number")),
        trigger_ms=_number(values.get("trigger_time")),
        nominal_interval_ms=_number(values.get("nominal_interval")),
        cardiac_images=_integer(values.get("cardiac_images")),
        position=_numbers(values.get("position"), 3),
        orientation=_numbers(values.get("orientation"), 6),
        slice_location=_number(values.get("slice_location")),
        slice_step_mm=_number(values.get("spacing_between_slices")),
        rows=rows,
        columns=columns,
        spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        samples=samples,
        frames=frames,
    )


@lru_cache(maxsize=256)
def _numbers(text: str | None, count: int) -> tuple[float, ...] | None:
    parts = [_number(part) for part in (text or "").split("\\")]
    known = tuple(part for part in parts if part is not None)
    return known if len(known) == len(parts) == count else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= _LARGEST_NUMBER else None


def _integer(text: str | None) -> int | None:
    value = _number(text)
    return None if value is None or abs(value) > 2**31 else round(value)
