"""Messages between a batch worker and its reader process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from eccl.errors import Rejected

if TYPE_CHECKING:
    from eccl.ingest.record import Record

READY = "ready"


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Reading needed more memory than allowed."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The operating system raised an error; `number` is its error number."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The reader raised an unexpected error; `error` is its class."""

    error: str


Read: TypeAlias = "Callable[[Path], Record]"
Answer: TypeAlias = "Record | Rejected | OutOfMemory | Unreadable | Failed"
