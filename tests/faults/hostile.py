"""Read functions of hostile files; they cross to the reader process by pickling."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import time
from pathlib import Path

from eccl.ingest.record import Record


def hang(path: Path) -> None:
    """Wait without end, as a read from a dead network drive does."""
    time.sleep(3600)


def started(path: Path) -> Path:
    """File that marks the beginning of :func:`spin`."""
    return path.with_suffix(".started")


def spin(path: Path) -> None:
    """Compute without end in C, where no Python code can interrupt, as a hostile pattern does."""
    started(path).touch()
    re.match(r"(a+)+$", "a" * 64 + "b")


def abort(path: Path) -> None:
    """Die of SIGABRT, as a failed assertion in a decoder does."""
    os.abort()


def segfault(path: Path) -> None:
    """Die of SIGSEGV, as a decoder that reads past its buffer does."""
    ctypes.string_at(0)


def leave(path: Path) -> None:
    """End the process in good order, which no reader should."""
    sys.exit(3)


def eat(path: Path) -> None:
    """Allocate memory without end."""
    held = []
    while True:
        held.append(bytearray(64 << 20))


def recurse(path: Path) -> None:
    """Nest without end."""
    recurse(path)


def fail(path: Path) -> None:
    """Raise an unexpected error with the file's content in the message."""
    raise ValueError(f"cannot use {path.read_text()}")


def refuse_access(path: Path) -> None:
    """Fail as the operating system does."""
    raise PermissionError(13, "Permission denied", str(path))


def answer(path: Path) -> Record:
    """Read a file as one should."""
    return Record({}, {"size": path.stat().st_size, "pid": os.getpid()})
