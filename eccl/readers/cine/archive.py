"""The container of field 20209: a zip that may be broken, huge, or not a zip at all.

Members are read through memory only; a member's path is never used to write anything, and never quoted in a message,
because file names can hold participant ids. The directory is checked before anything is read: its own
size, the sizes of its files, and that no two files share bytes.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from eccl.errors import Reason, Rejected

# What reading a damaged archive or one of its members can raise: checksum, deflate stream, encryption (RuntimeError),
# unknown compression (NotImplementedError is one), sizes beyond any file.
MEMBER_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError, ValueError, OverflowError),
)

_MIB = 1 << 20
# zipfile unpacks other methods without a bound, whatever size the directory states.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_LOCAL_HEADER = 30  # bytes in front of a file's name and content
# An entry of the directory takes 46 bytes and its name; names of field 20209 have about 60.
_DIRECTORY_BYTES_PER_MEMBER = 512


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """Limits of a study; one of field 20209 holds 500 to 650 files of about 0.1 MiB.

    Parameters
    ----------
    max_members
        Files in the zip (``limits.zip_members`` in params.yaml).
    max_member_bytes, max_total_bytes
        Uncompressed size of one file and of all files (``limits.zip_member_mb``, ``limits.zip_total_mb``).
    max_ratio
        Uncompressed over compressed size, of the whole zip and of every file above 4 MiB. Blank images compress well,
        so small files are not judged alone (``limits.zip_ratio``).
    max_matrix
        Rows or columns of one image (``limits.image_px``).
    """

    max_members: int = 6_000
    max_member_bytes: int = 64 * _MIB
    max_total_bytes: int = 2_048 * _MIB
    max_ratio: float = 200.0
    max_matrix: int = 1_024


@contextmanager
def open_archive(source: Path | BinaryIO, limits: ZipLimits) -> Iterator[zipfile.ZipFile]:
    """Open a zip and check its directory against the limits; nothing is decompressed yet.

    Raises
    ------
    Rejected
        ``unreadable`` (no such file), ``empty_file``, ``zip_malformed`` or ``zip_limits``.
    """
    if isinstance(source, Path):
        _check_file(source)
    with _opened(source) as stream:
        guarded = _GuardedStream(stream, limits)
        try:
            archive = zipfile.ZipFile(cast("BinaryIO", guarded))
        except Rejected:
            raise
        except MEMBER_ERRORS as error:
            raise Rejected(
                Reason.ZIP_MALFORMED,
                f"the zip directory cannot be read ({type(error).__name__}); expected a complete zip, download it again",
            ) from None
        guarded.is_open = True
        with archive:
            check_limits(archive.infolist(), limits)
            yield archive


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        yield source
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise Rejected(Reason.UNREADABLE, f"the file cannot be opened ({type(error).__name__})") from None
    with stream:
        yield stream


class _GuardedStream(io.RawIOBase):
    """A stream that hands out no directory larger than the limits allow: zipfile reads it whole, entry by entry."""

    def __init__(self, stream: BinaryIO, limits: ZipLimits) -> None:
        self.is_open = False
        self._stream = stream
        # the end of the directory and its comment are looked for in 64 KiB
        self._longest = max(limits.max_members * _DIRECTORY_BYTES_PER_MEMBER, 1 << 17)

    def read(self, size: int = -1) -> bytes:
        if not self.is_open and size > self._longest:
            _refuse(f"a directory of {size} bytes, at most {self._longest} expected", "zip_members")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def is_plain(member: zipfile.ZipInfo) -> bool:
    """Whether a member can be read at all: stored or deflated, not encrypted."""
    return member.compress_type in _METHODS and not member.flag_bits & 0x1


def base_name(name: str) -> str:
    """Return a member's name without its folders."""
    return name.rpartition("/")[2]


def check_limits(members: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    """Refuse an archive whose declared sizes exceed the limits.

    The declared size bounds what can be read: the zip reader stops there whatever the compressed stream holds.
    """
    if len(members) > limits.max_members:
        _refuse(f"{len(members)} members, at most {limits.max_members} expected", "zip_members")
    total = sum(member.file_size for member in members)
    if total > limits.max_total_bytes:
        _refuse(f"{total} bytes uncompressed, at most {limits.max_total_bytes} expected", "zip_total_mb")
    # A packed size is read whole; that of a genuine file is never much larger than the file.
    largest = max((max(member.file_size, member.compress_size) for member in members), default=0)
    if largest > limits.max_member_bytes:
        _refuse(f"a member of {largest} bytes, at most {limits.max_member_bytes} expected", "zip_member_mb")
    suspects = [(member.file_size, member.compress_size) for member in members if member.file_size > 4 * _MIB]
    if total > 4 * _MIB:
        suspects.append((total, sum(member.compress_size for member in members)))
    for size, packed in suspects:
        if size > limits.max_ratio * max(packed, 1):
            _refuse(f"a compression ratio above {limits.max_ratio:g}, which no image reaches", "zip_ratio")
    _check_overlaps(members)


def _check_overlaps(members: list[zipfile.ZipInfo]) -> None:
    """Refuse archives whose files share bytes: a small zip can claim the same bytes for thousands of files."""
    places = sorted((member.header_offset, member.compress_size) for member in members)
    for (start, packed), (following, _) in pairwise(places):
        if start + _LOCAL_HEADER + packed > following:
            raise Rejected(
                Reason.ZIP_LIMITS, "two members share the same bytes, as in a decompression bomb; look at it by hand"
            )


def _check_file(source: Path) -> None:
    try:
        size = source.stat().st_size
    except OSError as error:
        raise Rejected(Reason.UNREADABLE, f"the file cannot be opened ({type(error).__name__})") from None
    if not source.is_file():
        raise Rejected(Reason.UNREADABLE, "a folder, pipe or device where a zip was expected")
    if size == 0:
        raise Rejected(Reason.EMPTY_FILE, "0 bytes where a zip was expected; download it again")


def _refuse(found: str, limit: str) -> None:
    raise Rejected(
        Reason.ZIP_LIMITS,
        f"{found}; look at the file by hand, then raise limits.{limit} in params.yaml if it is genuine",
    )
