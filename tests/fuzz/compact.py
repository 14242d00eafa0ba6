"""Short forms of raw files, so that a fuzzer's mutations hit structure and not the thirtieth thousand sample.

An ECG's samples are stood in for by marks; a study is its DICOM files one after the other, without the checksums of a zip
that would refuse every changed byte.
"""

from __future__ import annotations

import io
import re
import zipfile
from functools import cache

from tests.fuzz import seeds

_LEAD = re.compile(rb"(<WaveformData[^>]*>)([^<]{2000,})(</WaveformData>)")
_DULL = re.compile(rb"\t<(PatientVisit|PatientInfo|CSWeb)>.*?\t</\1>\r\n", re.DOTALL)
_NEXT = b"\n#FILE#"


@cache
def _samples() -> dict[bytes, bytes]:
    """Samples of the seed's strip by their mark."""
    found = _LEAD.findall(seeds.ecg_file().rpartition(b"<StripData>")[2])
    return {b"@%02d" % number: samples for number, (_, samples, _) in enumerate(found)}


def shrink_ecg(xml: bytes) -> bytes:
    """Put marks where the seed's samples stand, and leave out what no reader uses."""
    short = _DULL.sub(b"", xml)
    for mark, samples in _samples().items():
        short = short.replace(samples, mark)
    return re.sub(rb"(<WaveformData[^>]*>)[^<]{500,}", rb"\1@00", short)


def expand_ecg(short: bytes) -> bytes:
    """Put the samples back."""
    for mark, samples in _samples().items():
        short = short.replace(mark, samples)
    return short


def shrink_sax(content: bytes) -> bytes:
    """Join the files of a zip, each behind its name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(_NEXT + name.encode() + b"\n" + archive.read(name) for name in archive.namelist())


def expand_sax(joined: bytes) -> bytes:
    """Make a zip of joined files."""
    members = []
    for number, part in enumerate(joined.split(_NEXT)[1:400]):
        name, _, content = part.partition(b"\n")
        members.append((name[:200].decode("latin-1").replace("\0", "") or f"{number}.dcm", content))
    return seeds.to_stored_zip(members)
