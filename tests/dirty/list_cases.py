"""Traps of withdrawal lists (section C3), and of entries of a raw folder that are no files."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eccl.errors import Reason

EID = 9_700_001


@dataclass(frozen=True, slots=True)
class ListCase:
    """A withdrawal list; `found` are its participants, None where the ingest must not start."""

    id: str
    section: str
    trap: str
    content: bytes
    found: frozenset[int] | None
    name: str = "w99999_20250101.csv"

    def in_words(self) -> str:
        """One line of the page."""
        return "the ingest does not start" if self.found is None else "read"


@dataclass(frozen=True, slots=True)
class PlaceCase:
    """Something with a bulk file's name that is no regular file, or a file with another name."""

    id: str
    section: str
    trap: str
    name: str
    make: Callable[[Path], object]
    reason: Reason | None

    def in_words(self) -> str:
        """One line of the page."""
        return f"quarantined: `{self.reason.value}`" if self.reason else "not read"


def listed(text: str) -> bytes:
    return text.format(EID, EID + 1).encode()


LISTS: tuple[ListCase, ...] = (
    ListCase("windows", "C3", "Windows line ends", listed("{0}\r\n{1}\r\n"), frozenset({EID, EID + 1})),
    ListCase("no_last_end", "C3", "no line end at the end", listed("{0}\n{1}"), frozenset({EID, EID + 1})),
    ListCase("nobody", "C3", "an empty list: no participant", b"", frozenset()),
    ListCase("blank_lines", "C3", "blank lines", listed("\n{0}\n\n"), frozenset({EID})),
    ListCase("mark", "C3", "a byte-order mark and quotes", b"\xef\xbb\xbf" + listed('"{0}"\n'), frozenset({EID})),
    ListCase("header", "C3", "a header", listed("eid\n{0}\n"), None),
    ListCase("negative", "C3", "a negative participant", listed("{0}\n-1\n"), None),
    ListCase("replaced", "C3", "a participant written W000001", listed("{0}\nW000001\n"), None),
    ListCase("two_columns", "C3", "two columns", listed("{0},2025-01-01\n"), None),
    ListCase("utf16", "C3", "saved as UTF-16", listed("{0}\n").decode().encode("utf-16"), None),
    ListCase("misnamed", "C3", "a list under another name", listed("{0}\n{1}\n"), None, "withdrawals.csv"),
    ListCase("endless", "hostile", "a participant of a million digits", b"9" * 1_000_000, None),
    ListCase("binary", "hostile", "bytes that are no text", bytes(range(256)) * 40, None),
)


def bind(path: Path) -> None:
    """Leave a socket in the folder; its path may be long, so it is bound from there."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


_SOME = b"hello"
PLACES: tuple[PlaceCase, ...] = (
    PlaceCase("pipe_ecg", "hostile", "a pipe with an ECG's name", "9600001_20205_2_0.xml", os.mkfifo, Reason.UNREADABLE),
    PlaceCase("pipe_cine", "hostile", "a pipe with a cine's name", "9600002_20209_2_0.zip", os.mkfifo, Reason.UNREADABLE),
    PlaceCase("pipe_table", "hostile", "a pipe with a table's name", "pipe.csv", os.mkfifo, Reason.UNREADABLE),
    PlaceCase("socket", "hostile", "a socket with an ECG's name", "9600003_20205_2_0.xml", bind, Reason.UNREADABLE),
    PlaceCase("dangling", "hostile", "a link that leads nowhere", "9600004_20209_2_0.zip",
              lambda path: path.symlink_to("nowhere"), Reason.UNREADABLE),
    PlaceCase("device", "hostile", "a link to an endless device", "9600005_20205_2_0.xml",
              lambda path: path.symlink_to("/dev/zero"), Reason.UNREADABLE),
    PlaceCase("folder", "hostile", "a folder with a cine's name", "9600006_20209_2_0.zip", os.mkdir, None),
    PlaceCase("loop", "hostile", "a folder that leads back to itself", "around",
              lambda path: path.symlink_to(path.parent, target_is_directory=True), None),
    PlaceCase("bad_name", "A1", "an ECG under a name of its own", "heart.xml",
              lambda path: path.write_bytes(_SOME), Reason.BAD_NAME),
    PlaceCase("other_field", "A1", "a file of another field", "9600007_6025_2_0.xml",
              lambda path: path.write_bytes(_SOME), Reason.BAD_NAME),
    PlaceCase("other_suffix", "A1", "notes beside the files", "notes.md", lambda path: path.write_bytes(_SOME), None),
)  # fmt: skip
