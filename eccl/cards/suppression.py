"""Counts that may be printed: a page that leaves the research platform tells of no group of fewer than ten people."""

from __future__ import annotations

from collections.abc import Sequence

SMALLEST_GROUP = 10
"""People below which a group is not told of; UK Biobank asks for the same of everything that is published."""
HIDDEN = f"<{SMALLEST_GROUP}"


def hide_small(counts: Sequence[int]) -> list[bool]:
    """Which counts of groups that add up to a known total must not be printed.

    Counts from 1 to 9 are hidden. Where that is a single one, the total would give it away, so the smallest of the others
    is hidden too.
    """
    is_hidden = [0 < count < SMALLEST_GROUP for count in counts]
    others = [i for i, count in enumerate(counts) if count >= SMALLEST_GROUP]
    if sum(is_hidden) == 1 and others:
        is_hidden[min(others, key=lambda i: counts[i])] = True
    return is_hidden


def count_text(count: int, is_hidden: bool | None = None) -> str:
    """A count for print; whether it is hidden follows from itself unless it is one of several."""
    hidden = 0 < count < SMALLEST_GROUP if is_hidden is None else is_hidden
    if not hidden:
        return f"{count:,}"
    return HIDDEN if count < SMALLEST_GROUP else "hidden"
