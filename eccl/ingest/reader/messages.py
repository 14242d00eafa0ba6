"""What a reader process may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eccl.errors import Rejected

if TYPE_CHECKING:
    from eccl.ingest.modality import Record

READY = "ready"


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Reading needed more memory than allowed."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The operating system refused; `number` is its error number."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The reader raised an error nobody foresaw; `error` is its kind."""

    error: str


Answer: TypeAlias = "Record | Rejected | OutOfMemory | Unreadable | Failed"
