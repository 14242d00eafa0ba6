"""The container of field 20209: a zip that may be broken, huge, or not a zip at all.

Members are read through memory only; a member's path is never used to write anything, and never quoted in a message,
because file names can hold participant ids.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from eccl.errors import Reason, Rejected

# What reading one member of a damaged archive can raise: checksum, deflate stream, encryption, unknown compression.
MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """How much a study may ask for; a study of field 20209 holds 500 to 650 files of about 0.1 MiB.

    Parameters
    ----------
    max_members
        Files in the zip.
    max_member_bytes, max_total_bytes
        Uncompressed size of one file and of all files.
    max_ratio
        Uncompressed over compressed size, of the whole zip and of every file above 4 MiB. Blank images compress well,
        so small files are not judged alone.
    max_matrix
        Rows or columns of one image.
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
    try:
        archive = zipfile.ZipFile(source)
    except (*MEMBER_ERRORS, NotImplementedError) as error:
        raise Rejected(
            Reason.ZIP_MALFORMED,
            f"the zip directory cannot be read ({type(error).__name__}); expected a complete zip, download it again",
        ) from None
    with archive:
        check_limits(archive.infolist(), limits)
        yield archive


def check_limits(members: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    """Refuse an archive whose declared sizes exceed the limits.

    The declared size bounds what can be read: the zip reader stops there whatever the compressed stream holds.
    """
    if len(members) > limits.max_members:
        _refuse(f"{len(members)} members, at most {limits.max_members} expected")
    total = sum(member.file_size for member in members)
    if total > limits.max_total_bytes:
        _refuse(f"{total} bytes uncompressed, at most {limits.max_total_bytes} expected")
    largest = max((member.file_size for member in members), default=0)
    if largest > limits.max_member_bytes:
        _refuse(f"a member of {largest} bytes, at most {limits.max_member_bytes} expected")
    suspects = [(member.file_size, member.compress_size) for member in members if member.file_size > 4 * _MIB]
    if total > 4 * _MIB:
        suspects.append((total, sum(member.compress_size for member in members)))
    for size, packed in suspects:
        if size > limits.max_ratio * max(packed, 1):
            _refuse(f"a compression ratio above {limits.max_ratio:g}, which no image reaches")


def _check_file(source: Path) -> None:
    try:
        size = source.stat().st_size
    except OSError as error:
        raise Rejected(Reason.UNREADABLE, f"the file cannot be opened ({type(error).__name__})") from None
    if not source.is_file():
        raise Rejected(Reason.UNREADABLE, "a folder where a zip was expected")
    if size == 0:
        raise Rejected(Reason.EMPTY_FILE, "0 bytes where a zip was expected; download it again")


def _refuse(found: str) -> None:
    raise Rejected(Reason.ZIP_LIMITS, f"{found}; look at the file by hand, then raise ZipLimits if it is genuine")
