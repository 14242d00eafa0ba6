"""Counts that may be printed: a page that leaves the research platform describes no group of fewer than ten people."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.compute as pc

from eccl.data.parts import read_table, table_files
from eccl.workspace import Workspace

SMALLEST_GROUP = 10
"""Smallest group of people that is described; UK Biobank requires this of all publications."""
HIDDEN = f"<{SMALLEST_GROUP}"
FIRST_SIMULATED = 9_000_000
"""Ids of simulated participants start here; real ones are lower."""


def is_small(count: int) -> bool:
    """Whether a group is too small to be described; an empty group is not."""
    return 0 < count < SMALLEST_GROUP


def hide_small(counts: Sequence[int]) -> list[bool]:
    """Which counts of groups that add up to a known total must not be printed.

    Counts from 1 to 9 are hidden. The total less what is printed is the size of the hidden groups together, so the smallest
    of the others are hidden too until at least two groups are hidden and they have at least ten people; this is impossible
    only where the total itself is small.
    """
    is_hidden = [is_small(count) for count in counts]
    if not any(is_hidden):
        return is_hidden
    for i in sorted((i for i, count in enumerate(counts) if count >= SMALLEST_GROUP), key=lambda i: counts[i]):
        gone = [count for count, hidden in zip(counts, is_hidden, strict=True) if hidden]
        if len(gone) > 1 and sum(gone) >= SMALLEST_GROUP:
            break
        is_hidden[i] = True
    return is_hidden


def is_score_shown(*groups: int) -> bool:
    """Whether a score, an interval or a calibration over groups of participants may be printed: each has at least ten.

    The groups of a disease are those with and those without it, the only group of a trait is all that were scored. An empty group
    is too small as well: without cases there is no score.
    """
    return min(groups) >= SMALLEST_GROUP


def count_text(count: int, is_hidden: bool | None = None) -> str:
    """A count for print; whether it is hidden follows from itself unless it is one of several."""
    if not (is_small(count) if is_hidden is None else is_hidden):
        return f"{count:,}"
    return HIDDEN if count < SMALLEST_GROUP else "hidden"


def is_simulated(workspace: Workspace) -> bool:
    """Whether every participant of the data is simulated."""
    tables = [name for name in ("splits", "pairs") if table_files(workspace.data, name)]
    least = [pc.min(read_table(workspace.data, name, ["eid"]).column("eid")).as_py() for name in tables]
    return bool(least) and all(one is not None and one >= FIRST_SIMULATED for one in least)
