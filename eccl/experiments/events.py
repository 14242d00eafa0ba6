"""What the process that runs jobs tells the one that shows them: marked lines among a stage's own output."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

MARK = "\x1e"
"""Begins a line that is told and not printed."""
_EPOCH = re.compile(r"\bepoch (?P<epoch>\d+/\d+)\b.*\bleft (?P<left>[\d:]+)")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a stage: ``begun``, ``finished``, ``unchanged`` or ``failed``."""

    stage: str
    what: str


def to_line(event: Event) -> str:
    """An event as a line."""
    return MARK + json.dumps({"stage": event.stage, "what": event.what})


def read_line(line: str) -> Event | None:
    """The event of a line; None for a stage's own words."""
    return Event(**json.loads(line.removeprefix(MARK))) if line.startswith(MARK) else None


def read_epoch(line: str) -> str | None:
    """``3/25, left 0:12`` from the line that a stage prints of an epoch; None for every other line."""
    found = _EPOCH.search(line)
    return f"epoch {found['epoch']}, left {found['left']}" if found else None
