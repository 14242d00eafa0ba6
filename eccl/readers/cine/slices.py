"""From the files of a short-axis cine to slices ordered from the base.

A *unit* is what one series holds at one position: one acquisition of one slice. Units of the same slice are repeats,
of which the last in time is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from eccl.errors import Reason, Rejected
from eccl.readers.cine.frames import (
    drop_duplicates,
    grouped,
    or_last,
    split_blocks,
    to_slots,
    trigger_count,
    usual,
    usual_phase,
)
from eccl.readers.cine.headers import FrameHeader
from eccl.readers.cine.series import (
    MAX_FRAMES,
    MAX_SLICES,
    MIN_FRAMES,
    MIN_SLICES,
    Stack,
    cluster,
    coordinate_along,
    is_parallel,
    nominal_slice,
    normal_of,
    place,
)

# Base to apex of a heart in its usual place: to the person's left, front and feet (DICOM's x, -y, -z).
_TO_APEX = (1 / math.sqrt(3), -1 / math.sqrt(3), -1 / math.sqrt(3))


@dataclass(frozen=True, slots=True)
class Unit:
    """One acquisition of one slice: its files, its b number, its place along the stack in mm."""

    files: tuple[FrameHeader, ...]
    nominal: int | None
    coordinate: float | None

    @property
    def first_instance(self) -> float:
        """Lowest instance number; infinite where there is none."""
        return min(or_last(header.instance) for header in self.files)


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """One slice: its files by frame (None: missing), its place along the stack in mm, its b number."""

    slots: tuple[FrameHeader | None, ...]
    coordinate: float | None
    nominal: int | None


@dataclass(frozen=True, slots=True)
class StackPlan:
    """The slices from the base, how many acquisitions were superseded, the distance of slices, and remarks."""

    slices: tuple[SlicePlan, ...]
    native_frames: int
    repeats: int
    slice_step_mm: float | None
    flags: frozenset[str]


def plan_stack(stack: Stack) -> StackPlan:
    """Sort the files of a stack into slices and frames.

    Raises
    ------
    Rejected
        ``cine_header_incomplete``, ``cine_too_few_slices``, ``cine_too_few_frames``, ``cine_geometry`` for more slices
        or frames than a heart's study can have.
    """
    flags: set[str] = set() if stack.is_named else {"series_unnamed"}
    units = _to_units(stack, flags)
    frames = _native_frames(units, flags)
    units = [part for unit in units for part in _split_unit(unit, frames)]
    kept = [_keep_last(group, frames, flags) for group in _group_slices(units, flags)]
    if len(kept) < MIN_SLICES:
        raise Rejected(Reason.CINE_TOO_FEW_SLICES, f"{len(kept)} short-axis slices, at least {MIN_SLICES} expected")
    _check_size(len(kept), max(_own_frames(unit, frames) for unit in kept))
    ordered = _order_slices(kept, stack, flags)
    phase = usual_phase([unit.files for unit in ordered], frames)
    slices = tuple(
        SlicePlan(to_slots(unit.files, _own_frames(unit, frames), phase, flags), unit.coordinate, unit.nominal)
        for unit in ordered
    )
    if len({len(item.slots) for item in slices}) > 1:
        flags.add("frame_counts_differ")
    return StackPlan(slices, frames, len(units) - len(kept), _slice_step(ordered, flags), frozenset(flags))


def _check_size(slices: int, frames: int) -> None:
    if slices > MAX_SLICES or frames > MAX_FRAMES:
        raise Rejected(
            Reason.CINE_GEOMETRY,
            f"{slices} slices and up to {frames} frames a slice; expected at most {MAX_SLICES} and {MAX_FRAMES}; look at "
            "the study by hand",
        )


def _to_units(stack: Stack, flags: set[str]) -> list[Unit]:
    """Split every series by position; a series whose files have no position stays whole."""
    if any(not is_parallel(normal_of(header), stack.normal) for header in stack.frames):
        flags.add("planes_not_parallel")
    units: list[Unit] = []
    for series in grouped(stack.frames, lambda header: (header.series_uid, header.series)):
        places = [coordinate_along(header, stack.normal) for header in series]
        known = [value for value in places if value is not None]
        starts = cluster(known)
        # A b number belongs to one slice; on a series with several positions it has no meaning.
        nominal = nominal_slice(series[0]) if len(starts) <= 1 else None
        if len(known) < len(series):
            units.append(Unit(tuple(series), nominal, None))
            continue
        located = [(place(value, starts), header) for value, header in zip(known, series, strict=True)]
        for pairs in grouped(located, lambda pair: pair[0]):
            units.append(Unit(tuple(header for _, header in pairs), nominal, starts[pairs[0][0]]))
    unique = [Unit(tuple(drop_duplicates(unit.files)), unit.nominal, unit.coordinate) for unit in units]
    if sum(len(unit.files) for unit in unique) < len(stack.frames):
        flags.add("duplicate_frames")
    return unique


def _native_frames(units: list[Unit], flags: set[str]) -> int:
    """Frames per cycle: CardiacNumberOfImages where the files bear it out, else the usual count of the slices."""
    declared = usual(header.cardiac_images for unit in units for header in unit.files)
    counted = usual(len(unit.files) for unit in units) or 0
    if any(unit.coordinate is None and unit.nominal is None for unit in units):
        if declared is None or declared > counted:
            raise Rejected(
                Reason.CINE_HEADER_INCOMPLETE,
                "files without slice name and position, and no CardiacNumberOfImages that they bear out; their slices "
                "cannot be told apart",
            )
        frames = declared
    elif declared and (counted <= declared <= 2 * counted or (declared >= MIN_FRAMES and counted % declared == 0)):
        frames = declared
    else:
        frames = counted
        if declared is not None:
            flags.add("frame_count_disagrees")
    if frames < MIN_FRAMES:
        raise Rejected(Reason.CINE_TOO_FEW_FRAMES, f"{frames} frames per slice, at least {MIN_FRAMES} expected")
    return frames


def _split_unit(unit: Unit, frames: int) -> list[Unit]:
    """Cut a unit that holds several acquisitions, or several slices where there are no positions."""
    count = len(unit.files)
    is_finer_cycle = unit.coordinate is not None and 2 * count < 3 * frames and trigger_count(unit.files) == count
    if count <= frames or is_finer_cycle:
        return [unit]
    return [Unit(tuple(block), unit.nominal, unit.coordinate) for block in split_blocks(unit.files, frames)]


def _group_slices(units: list[Unit], flags: set[str]) -> list[list[Unit]]:
    """Units of the same slice: by b number where all have one, else by position, else each for itself."""
    places = [unit.coordinate for unit in units if unit.coordinate is not None]
    starts = cluster(places)
    has_places = len(places) == len(units) and len(starts) > 1
    if not has_places:
        flags.add("positions_unusable")
    if all(unit.nominal is not None for unit in units):
        groups = grouped(units, lambda unit: unit.nominal)
        if has_places and len({place(group[-1].coordinate or 0.0, starts) for group in groups}) < len(groups):
            flags.add("slices_coincide")
            return grouped(units, lambda unit: place(unit.coordinate or 0.0, starts))
        return groups
    if has_places:
        return grouped(units, lambda unit: place(unit.coordinate or 0.0, starts))
    loose = [[unit] for unit in units if unit.nominal is None]
    return grouped([unit for unit in units if unit.nominal is not None], lambda unit: unit.nominal) + loose


def _keep_last(group: list[Unit], frames: int, flags: set[str]) -> Unit:
    """The last acquisition by date, series time, acquisition time, series number; UIDs are not in time order.

    An acquisition with less than half a cycle was aborted and does not replace a fuller one.
    """
    full = [unit for unit in group if 2 * len(unit.files) >= frames]
    if full and len(full) < len(group):
        flags.add("aborted_repeat_ignored")
    candidates = full or group
    readings: list[Callable[[FrameHeader], float | None]] = [
        lambda header: header.acquired_on.toordinal() if header.acquired_on else None,
        lambda header: header.series_time_s,
        lambda header: header.acquisition_time_s,
        lambda header: header.series_number,
        lambda header: header.instance,
    ]
    keys: list[list[float]] = [[] for _ in candidates]
    for reading in readings:
        values = [_earliest(unit, reading) for unit in candidates]
        known = [value for value in values if value is not None]
        # An attribute decides only where every candidate has it.
        if len(known) == len(candidates):
            for key, value in zip(keys, known, strict=True):
                key.append(value)
    last = max(range(len(candidates)), key=lambda k: (keys[k], candidates[k].files[0].series_uid, k))
    return candidates[last]


def _earliest(unit: Unit, reading: Callable[[FrameHeader], float | None]) -> float | None:
    return min((value for header in unit.files if (value := reading(header)) is not None), default=None)


def _order_slices(units: list[Unit], stack: Stack, flags: set[str]) -> list[Unit]:
    """Slices from the base to the apex: by geometry, the b numbers deciding which end is the base."""
    by_name = sorted(units, key=lambda unit: (or_last(unit.nominal), unit.first_instance))
    numbered = [unit for unit in by_name if unit.nominal is not None]
    if len(numbered) < 2:
        flags.add("base_end_unknown")
    if "positions_unusable" in flags:
        return by_name
    ordered = sorted(by_name, key=lambda unit: unit.coordinate or 0.0)
    if not _is_base_first(ordered, numbered, stack):
        ordered.reverse()
    if [unit for unit in ordered if unit.nominal is not None] != numbered:
        flags.add("slice_order_disagrees")
    return ordered


def _is_base_first(ordered: list[Unit], numbered: list[Unit], stack: Stack) -> bool:
    """Whether rising positions run from base to apex: by b numbers, else by anatomy, else by acquisition order."""
    if len(numbered) < 2 and stack.normal is not None:
        toward_apex = math.fsum(n * a for n, a in zip(stack.normal, _TO_APEX, strict=True))
        if abs(toward_apex) > 0.3:
            return toward_apex > 0
    by_name = numbered if len(numbered) >= 2 else sorted(ordered, key=lambda unit: unit.first_instance)
    ranks = [ordered.index(unit) for unit in by_name]
    middle = (len(ranks) - 1) / 2
    return sum((index - middle) * rank for index, rank in enumerate(ranks)) >= 0


def _slice_step(ordered: list[Unit], flags: set[str]) -> float | None:
    if "positions_unusable" in flags:
        steps = [step for unit in ordered for header in unit.files if (step := header.slice_step_mm) is not None]
        return median(steps) if steps else None
    places = sorted(unit.coordinate or 0.0 for unit in ordered)
    gaps = [later - earlier for earlier, later in pairwise(places)]
    step = median(gaps)
    if any(abs(gap - step) > 0.2 * step for gap in gaps):
        flags.add("slice_step_irregular")
    return step


def _own_frames(unit: Unit, frames: int) -> int:
    """A slice that declares, and holds, another number of frames than the others keeps its own."""
    own = usual(header.cardiac_images for header in unit.files)
    return len(unit.files) if own == len(unit.files) or len(unit.files) > frames else frames
