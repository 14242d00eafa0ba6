"""Zips and DICOM files made to do harm: bombs, false sizes, paths outside the archive."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from pydicom.uid import JPEG2000Lossless

from eccl.errors import Reason
from eccl.simulate.cine.dicom_zip import Member, compress_member
from tests.dirty.cases import Case, accepted, flagged, quarantined, repaired
from tests.dirty.cine_cases import Frames, dicoms, each, pack, recoded, with_files

Make = Callable[[Frames], bytes]
_ESCAPES = (
    "../../escape-a.dcm",
    "/tmp/escape-b.dcm",
    "..\\..\\escape-c.dcm",
    "C:\\escape-d.dcm",
    "a/../../escape-e.dcm",
)


def edited(edit: Callable[[bytearray], object]) -> Make:
    """A sound study whose zip is changed byte by byte."""

    def make(frames: Frames) -> bytes:
        content = bytearray(pack(dicoms(frames)))
        edit(content)
        return bytes(content)

    return make


def in_directory(offset: int, kind: str, value: int) -> Make:
    """Another value in the directory's entry of the first file."""
    return edited(lambda content: struct.pack_into(kind, content, content.index(b"PK\1\2") + offset, value))


def encrypted(content: bytearray) -> None:
    """Mark every file as encrypted, in the directory and in front of the file."""
    for mark, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 4)


def method(number: int) -> Make:
    """Another compression method for all files, content unchanged."""

    def change(content: bytearray) -> None:
        for mark, offset in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
            place = content.find(mark)
            while place >= 0:
                struct.pack_into("<H", content, place + offset, number)
                place = content.find(mark, place + 4)

    return edited(change)


def overlapping(frames: Frames) -> bytes:
    """A thousand entries of the directory for the same bytes."""
    content = pack(dicoms(frames)[:1])
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    directory = content[start:end] * 1000
    return content[:start] + directory + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 1000, 1000, len(directory), start, 0
    )  # fmt: skip


def huge_directory(frames: Frames) -> bytes:
    """A directory of 400,000 entries without files."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * 400_000
    return directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)


def duplicate_names(frames: Frames) -> bytes:
    """Every file under the same name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pack([("same.dcm", data) for _, data in dicoms(frames)])


def links(frames: Frames) -> bytes:
    """Symbolic links out of the folder, beside the study."""
    out = io.BytesIO(pack(dicoms(frames)))
    with zipfile.ZipFile(out, "a") as archive:
        for name in ("link.dcm", "folder"):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def nested(frames: Frames) -> bytes:
    """A zip in a zip in a zip."""
    inner = pack([("zeros.dcm", bytes(3 << 20))])
    for _ in range(5):
        inner = pack([("study.zip", inner)])
    return inner


def unending(packed: int) -> Make:
    """Deflated data that goes on after the stated size."""

    def make(frames: Frames) -> bytes:
        name, data = dicoms(frames)[0]
        content = bytearray(pack([(name, data + bytes(packed))]))
        for mark, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
            struct.pack_into("<L", content, content.index(mark) + offset, len(data))
        return bytes(content)

    return make


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """One element, explicit VR little endian, short length."""
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def after_header(insert: bytes, *, before: bytes = b"\x28\x00\x02\x00US") -> Make:
    """Put elements in front of the image description of every file."""

    def change(number: int, file: tuple[str, bytes]) -> tuple[str, bytes]:
        name, data = file
        place = data.index(before)
        return name, data[:place] + insert + data[place:]

    return recoded(change)


def value_of(tag: bytes, value: int) -> Make:
    """Another 16-bit value of one element in every file."""

    def change(number: int, file: tuple[str, bytes]) -> tuple[str, bytes]:
        name, data = file
        place = data.index(tag) + len(tag) + 2
        return name, data[:place] + struct.pack("<H", value) + data[place + 2 :]

    return recoded(change)


def second_size(number: int, file: tuple[str, bytes]) -> tuple[str, bytes]:
    """Rows and Columns once more behind the image description, absurdly large."""
    name, data = file
    place = data.index(b"\xe0\x7f\x10\x00O")
    again = element(0x0028, 0x1054, b"LO", b"ab")
    again += element(0x0028, 0x0010, b"US", b"\xff\xff") + element(0x0028, 0x0011, b"US", b"\xff\xff")
    return name, data[:place] + again + data[place:]


def large_codestream(number: int, file: tuple[str, bytes]) -> tuple[str, bytes]:
    """A JPEG 2000 image that declares 60,000 x 60,000 pixels under a header of 48 x 40."""
    name, data = file
    packed = compress_member(Member(name, "", "", data), JPEG2000Lossless).data
    place = packed.index(b"\xff\x4f\xff\x51") + 8
    return name, packed[:place] + struct.pack(">2I", 60_000, 60_000) + packed[place + 8 :]


def deflated(number: int, file: tuple[str, bytes]) -> tuple[str, bytes]:
    """A deflated transfer syntax, declared behind 4 KB of other meta elements, that inflates to 512 MB."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(512 if number == 0 else 1)) + squeeze.flush()
    filler = b"".join(element(0x0002, 0x0016, b"AE", b"x" * 1000) for _ in range(4))
    syntax = element(0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1.99")
    return file[0], bytes(128) + b"DICM" + filler + syntax + body


def sequences(depth: int) -> bytes:
    """Private sequences of undefined length, one inside the other."""
    start = struct.pack("<HH2sHL", 0x0009, 0x1010, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return start * depth + end * depth


def long_element(length: int) -> bytes:
    """An element whose declared length exceeds the file."""
    return struct.pack("<HH2sHL", 0x0009, 0x1011, b"OB", 0, length)


def without_meta(number: int, file: tuple[str, bytes]) -> tuple[str, bytes]:
    name, data = file
    return name, data[data.index(b"\x08\x00\x16\x00UI") :]


def early(insert: bytes) -> Make:
    """Put elements behind the first ones of every file."""
    return after_header(insert, before=b"\x10\x00\x10\x00PN")


def long_private(frames: Frames) -> bytes:
    """Two MB of private elements in front of the image description of every file."""
    noise = np.random.default_rng(1).bytes(2 << 20)
    filler = struct.pack("<HH2sHL", 0x0019, 0x1011, b"OB", 0, len(noise)) + noise
    return after_header(filler)(frames[:4])


def scaled(slope: str) -> Make:
    """A rescale slope in every file."""
    return each(extra={"RescaleSlope": slope, "RescaleIntercept": "0"})


CASES: tuple[Case, ...] = (
    # the container
    Case("ratio_bomb", "hostile", "a file of 32 MB that packs to 32 KB", with_files(("a.dcm", bytes(32 << 20))),
         quarantined(Reason.ZIP_LIMITS)),
    Case("large_member", "hostile", "a stated file size of 3 GB", in_directory(24, "<L", 3 << 30),
         quarantined(Reason.ZIP_LIMITS)),
    Case("large_packed", "hostile", "a stated packed size of 1 GB", in_directory(20, "<L", 1 << 30),
         quarantined(Reason.ZIP_LIMITS)),
    Case("many_members", "hostile", "7000 files", lambda frames: pack([(f"{n}.txt", b"") for n in range(7_000)]),
         quarantined(Reason.ZIP_LIMITS)),
    Case("huge_directory", "hostile", "a directory of 400,000 entries", huge_directory, quarantined(Reason.ZIP_LIMITS)),
    Case("overlap", "hostile", "a thousand entries for the same bytes", overlapping, quarantined(Reason.ZIP_LIMITS)),
    Case("nested", "hostile", "a zip in a zip in a zip, which is not opened", nested, quarantined(Reason.CINE_NO_DICOM)),
    Case("nested_beside", "hostile", "a nested zip beside the study", with_files(("inner.zip", nested([]))), accepted()),
    Case("unending", "hostile", "data that go on behind the stated size", unending(3 << 20),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("paths", "hostile", "paths that lead out of the folder", with_files(
        *((name, b"x" * 400) for name in _ESCAPES)), flagged("unreadable_files")),
    Case("study_outside", "hostile", "all files of the study under such paths", lambda frames: pack(
        [(f"../../{name}", data) for name, data in dicoms(frames)]), accepted()),
    Case("links", "hostile", "symbolic links among the files", links, flagged("unreadable_files")),
    Case("same_name", "hostile", "all files under one name", duplicate_names, accepted()),
    Case("zero_in_name", "hostile", "a zero byte in a file's name", edited(
        lambda content: content.__setitem__(content.index(b"PK\1\2") + 50, 0)),
        repaired("frames_missing", "unreadable_files")),
    Case("encrypted", "hostile", "encrypted files", edited(encrypted), quarantined(Reason.CINE_NO_DICOM)),
    Case("method_lzma", "hostile", "files marked as LZMA, which would be unpacked without bound", method(14),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("method_bzip2", "hostile", "files packed with bzip2", lambda frames: pack(dicoms(frames), zipfile.ZIP_BZIP2),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("method_unknown", "hostile", "an unknown compression method", method(77), quarantined(Reason.CINE_NO_DICOM)),
    Case("lzma_manifest", "hostile", "a manifest packed with LZMA", lambda frames: _with_lzma_manifest(frames),
         accepted(manifest_status="unreadable")),
    Case("offset", "hostile", "an offset beyond the file", in_directory(42, "<L", 0x7FFFFFFF),
         repaired("frames_missing", "unreadable_files")),
    Case("crc", "hostile", "a checksum that does not fit", in_directory(16, "<L", 1),
         flagged("frames_missing", "unreadable_files")),
    # DICOM files
    Case("rows", "hostile", "65,535 rows", value_of(b"\x28\x00\x10\x00US", 0xFFFF), quarantined(Reason.CINE_NO_DICOM)),
    Case("bits", "hostile", "65,528 bits a pixel", value_of(b"\x28\x00\x00\x01US", 65_528),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("frames_2_31", "hostile", "two thousand million frames in every file", each(extra={"NumberOfFrames": 2**31 - 1}),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("cardiac_2_31", "hostile", "two thousand million frames in a cycle, no names of slices", each(
        cardiac_images=2**31 - 1, series="CINE_segmented_SAX", position=None), quarantined(Reason.CINE_HEADER_INCOMPLETE)),
    Case("size_twice", "hostile", "another size behind the first one", recoded(second_size),
         quarantined(Reason.CINE_PIXELS_UNDECODABLE)),
    Case("codestream", "hostile", "an image of 60,000 x 60,000 pixels in a file whose header states 48 x 40",
         recoded(large_codestream), quarantined(Reason.CINE_PIXELS_UNDECODABLE)),
    Case("deflated", "hostile", "a deflated file that unpacks to 512 MB", recoded(deflated), quarantined(Reason.CINE_NO_DICOM)),
    Case("beyond", "hostile", "an element longer than the file", early(long_element(0x7FFFFFF0)),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("undefined", "hostile", "a private element of undefined length", early(long_element(0xFFFFFFFF)),
         quarantined(Reason.CINE_NO_DICOM)),
    Case("deep", "hostile", "private sequences 1000 deep", early(sequences(1_000)), quarantined(Reason.CINE_NO_DICOM)),
    Case("sequences", "hostile", "private sequences three deep", early(sequences(3)), accepted()),
    Case("long_header", "hostile", "2 MB of private elements in front of the image", long_private,
         quarantined(Reason.CINE_NO_DICOM)),
    Case("no_meta", "hostile", "files without meta information: the encoding of their pixels is unknown",
         recoded(without_meta), quarantined(Reason.CINE_PIXELS_UNDECODABLE)),
    Case("overflow", "hostile", "positions of 1e300 mm", each(extra={"ImagePositionPatient": ["1e300", "1e300", "-1e300"]}),
         flagged("positions_unusable")),
    Case("tiny_spacing", "hostile", "pixels of 1e-300 mm", each(extra={"PixelSpacing": ["1e-300", "1e-300"]}),
         quarantined(Reason.CINE_GEOMETRY)),
    Case("slope", "hostile", "grey values that overflow", scaled("1e38"), quarantined(Reason.CINE_PIXELS_UNDECODABLE)),
    Case("same_time", "hostile", "frames 1e-9 ms apart", lambda frames: pack(dicoms(
        [replace(f, trigger=1e-9 * (f.instance or 0)) for f in frames])), accepted()),
    Case("huge_text", "hostile", "a manufacturer of 60,000 letters", each(extra={"Manufacturer": "x" * 60_000}),
         accepted()),
)  # fmt: skip


def _with_lzma_manifest(frames: Frames) -> bytes:
    out = io.BytesIO(pack(dicoms(frames)))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("manifest.csv", "filename,series discription\n", zipfile.ZIP_LZMA)
    return out.getvalue()
