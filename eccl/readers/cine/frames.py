"""Frames of one slice in time: duplicates out, acquisitions apart, gaps where files are missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from itertools import pairwise
from statistics import median
from typing import TypeVar

from eccl.errors import Reason, Rejected
from eccl.readers.cine.headers import FrameHeader

Item = TypeVar("Item")

_SHORTEST_STEP_MS = 1e-3  # closer times are one time, written twice


def drop_duplicates(files: Iterable[FrameHeader]) -> list[FrameHeader]:
    """Keep one file per (trigger time, instance number); the same frame exported twice adds nothing."""
    kept: dict[Hashable, FrameHeader] = {}
    for header in sorted(files, key=lambda header: (header.sop_uid, header.member)):
        known = (header.trigger_ms, header.instance) != (None, None)
        kept.setdefault((header.trigger_ms, header.instance) if known else header.member, header)
    return list(kept.values())


def split_blocks(files: Iterable[FrameHeader], frames: int) -> list[list[FrameHeader]]:
    """Cut files of one series that hold more than a cycle into blocks of at most `frames`.

    The blocks are other slices where the files have no position, and repeats of the slice where they have one. Instance
    numbers decide, then falls of the trigger time, then plain counting (the rule of UK Biobank's early exports).
    """
    ordered = sorted(files, key=lambda header: (or_last(header.instance), or_last(header.trigger_ms)))
    for split in (_by_instance, _by_occurrence, _by_trigger):
        blocks = split(ordered, frames)
        if len(blocks) > 1 and all(len(block) <= frames for block in blocks):
            return blocks
    return [ordered[start : start + frames] for start in range(0, len(ordered), frames)]


def trigger_count(files: Iterable[FrameHeader]) -> int:
    """Number of distinct trigger times."""
    return len({header.trigger_ms for header in files if header.trigger_ms is not None})


def trigger_step_ms(files: Iterable[FrameHeader | None]) -> float | None:
    """Median time between successive frames in ms, or None without usable trigger times."""
    times = sorted(header.trigger_ms for header in files if header is not None and header.trigger_ms is not None)
    steps = [later - earlier for earlier, later in pairwise(times) if later - earlier > _SHORTEST_STEP_MS]
    return median(steps) if steps else None


def usual_phase(slices: Iterable[tuple[FrameHeader, ...]], frames: int) -> float | None:
    """First trigger time of complete slices in frame steps: 0 where a cycle starts at 0, 0.5 at half a step."""
    phases = [
        min(header.trigger_ms or 0.0 for header in files) / step
        for files in slices
        if len(files) == frames == trigger_count(files) and (step := trigger_step_ms(files))
    ]
    return median(phases) if phases else None


def to_slots(
    files: tuple[FrameHeader, ...], frames: int, phase: float | None, flags: set[str]
) -> tuple[FrameHeader | None, ...]:
    """Order a slice's files by TriggerTime, else InstanceNumber, with None where a file is missing.

    Parameters
    ----------
    files
        One acquisition of one slice, without duplicates, any order.
    frames
        Frames of a complete slice; a slice that holds more keeps them.
    phase
        First trigger time of complete slices, in frame steps (`usual_phase`).
    flags
        Receives ``frame_order_disagrees`` and ``trigger_times_missing``.

    Raises
    ------
    Rejected
        ``cine_header_incomplete`` where nothing orders the files.
    """
    numbers = [header.instance for header in files]
    has_triggers = trigger_count(files) == len(files)
    has_numbers = None not in numbers and len(set(numbers)) == len(files)
    if not has_triggers and not has_numbers:
        raise Rejected(
            Reason.CINE_HEADER_INCOMPLETE,
            "a slice whose files have neither distinct trigger times nor distinct instance numbers; "
            "their order in time is unknown",
        )
    by_number = sorted(files, key=lambda header: or_last(header.instance))
    ordered = sorted(files, key=lambda header: or_last(header.trigger_ms)) if has_triggers else by_number
    if has_triggers and has_numbers and ordered != by_number:
        flags.add("frame_order_disagrees")
    if not has_triggers:
        flags.add("trigger_times_missing")
    if len(files) >= frames:
        return tuple(ordered)
    slots = (_trigger_slots(ordered, frames, phase) if has_triggers else None) or _number_slots(ordered, frames)
    filled: list[FrameHeader | None] = [None] * frames
    for index, header in zip(slots or range(len(ordered)), ordered, strict=True):
        filled[index] = header
    return tuple(filled)


def usual(values: Iterable[int | None]) -> int | None:
    """Most frequent positive value, the larger of equals."""
    counts = Counter(value for value in values if value is not None and value > 0)
    return max(counts, key=lambda value: (counts[value], value), default=None)


def or_last(value: float | None) -> float:
    """Sort key that puts unknown values behind all others."""
    return math.inf if value is None else value


def grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Group items by key, groups and items in order of appearance."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _by_instance(ordered: list[FrameHeader], frames: int) -> list[list[FrameHeader]]:
    """Split by instance numbers 1..n over the whole series, which give the block even where frames are missing."""
    numbers = [header.instance for header in ordered if header.instance is not None]
    if len(set(numbers)) < len(ordered):
        return []
    first = 1 if 1 <= numbers[0] <= frames else numbers[0]
    return grouped(ordered, lambda header: ((header.instance or first) - first) // frames)


def _by_occurrence(ordered: list[FrameHeader], frames: int) -> list[list[FrameHeader]]:
    """Instance numbers that start again with every acquisition: the k-th file of a number belongs to the k-th one."""
    same = grouped(ordered, lambda header: header.instance)
    if len({len(files) for files in same}) != 1 or len(same[0]) < 2:
        return []
    for files in same:
        files.sort(key=lambda header: (or_last(header.acquisition_time_s), header.sop_uid))
    return [list(block) for block in zip(*same, strict=True)]


def _by_trigger(ordered: list[FrameHeader], frames: int) -> list[list[FrameHeader]]:
    blocks: list[list[FrameHeader]] = [[]]
    for header in ordered:
        last = blocks[-1][-1].trigger_ms if blocks[-1] else None
        if last is not None and header.trigger_ms is not None and header.trigger_ms <= last:
            blocks.append([])
        blocks[-1].append(header)
    return blocks


def _trigger_slots(ordered: list[FrameHeader], frames: int, phase: float | None) -> list[int] | None:
    step = trigger_step_ms(ordered)
    if step is None:
        return None
    times = [(header.trigger_ms or 0.0) / step for header in ordered]
    start = phase if phase is not None else times[0] % 1.0
    return _checked([round(time - start) for time in times], frames)


def _number_slots(ordered: list[FrameHeader], frames: int) -> list[int] | None:
    """Instance numbers may run on over the slices; within a slice they fall into one block of a cycle."""
    return _checked([((header.instance or 0) - 1) % frames for header in ordered], frames)


def _checked(slots: list[int], frames: int) -> list[int] | None:
    rising = all(later > earlier for earlier, later in pairwise(slots))
    return slots if rising and slots[0] >= 0 and slots[-1] < frames else None
