"""What the process that runs jobs tells the one that shows them: marked lines among a stage's own output."""

from __future__ import annotations

import re

MARK = "\x1e"
"""Begins a line that is told and not printed."""
_EPOCH = re.compile(r"\bepoch (?P<epoch>\d+/\d+)\b.*\bleft (?P<left>[\d:]+)")


EVENTS = ("begun", "finished", "unchanged", "failed")
"""What can happen to the stage whose turn it is."""


def to_line(event: str) -> str:
    """An event as a line."""
    return MARK + event


def read_line(line: str) -> str | None:
    """The event of a line; None for a stage's own words."""
    event = line.removeprefix(MARK)
    return event if line.startswith(MARK) and event in EVENTS else None


def read_epoch(line: str) -> str | None:
    """``3/25, left 0:12`` from the line that a stage prints of an epoch; None for every other line."""
    found = _EPOCH.search(line)
    return f"epoch {found['epoch']}, left {found['left']}" if found else None
