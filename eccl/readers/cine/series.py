"""Which files of a study are its short-axis cine.

UK Biobank names its series ``CINE_segmented_SAX_b<n>``, one per slice, or ``CINE_segmented_SAX`` for all slices in
early exports. A study without such names is accepted when its files form a stack by their geometry.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

from eccl.errors import Reason, Rejected
from eccl.readers.cine.headers import FrameHeader

MIN_FRAMES = 8  # fewer cannot carry a cardiac cycle's first harmonics
MAX_FRAMES = 128  # of one slice; a cine has 25 to 50
MAX_SLICES = 64  # of one stack; a heart has 9 to 13
MIN_SLICES = 2  # one slice has no neighbour and no middle
MIN_UNNAMED_SLICES = 3  # without names the geometry must convince
COINCIDENT_MM = 1.0  # closer planes are the same slice; short-axis cines step by 6 to 10 mm
PARALLEL_COSINE = 0.985  # 10 degrees

_NAMED = re.compile(r"cine_segmented_sax(?:_b(\d{1,2}))?$")
# Words of other series: results with overlays, long axis, outflow, flow, tagging, mapping, planning.
_OTHER = re.compile(
    r"inline|_vf|lax|[234]_?ch|chamber|aort|(^|_)ao(_|$)|lvot|rvot|tag|flow|shmolli|molli|t1|t2|lge|scout|local|survey|perf"
)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Stack:
    """The files of one short-axis cine.

    `frames` are the chosen files, `is_named` is true where they were chosen by name, `normal` is the stack's direction
    (None without orientations), `excluded` counts the images left out.
    """

    frames: tuple[FrameHeader, ...]
    is_named: bool
    normal: Vector | None
    excluded: int


def choose_stack(headers: list[FrameHeader]) -> Stack:
    """Choose the short-axis files of a study by name, else by geometry.

    Raises
    ------
    Rejected
        ``cine_enhanced_multiframe`` where only multi-frame files are left, ``cine_no_short_axis`` where nothing forms
        a stack of at least three parallel positions with several frames each.
    """
    plain = [header for header in headers if not header.is_multiframe and header.samples == 1]
    named = [header for header in plain if _NAMED.match(header.series)]
    chosen = named or _largest_stack([header for header in plain if _may_be_unnamed(header)])
    if not chosen:
        _refuse(headers)
    return Stack(tuple(chosen), bool(named), _normal_of(chosen), len(headers) - len(chosen))


def nominal_slice(header: FrameHeader) -> int | None:
    """The n of ``CINE_segmented_SAX_b<n>``; 1 is the base."""
    found = _NAMED.match(header.series)
    return int(found[1]) if found and found[1] else None


def normal_of(header: FrameHeader) -> Vector | None:
    """Unit normal of the image plane, or None without a usable orientation."""
    if header.orientation is None:
        return None
    a, b, c, d, e, f = header.orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    return (normal[0] / length, normal[1] / length, normal[2] / length) if length > 1e-3 else None


def coordinate_along(header: FrameHeader, normal: Vector | None) -> float | None:
    """Position of a file's plane along the stack in mm, or None where the header has none."""
    if header.position is not None and normal is not None:
        return math.fsum(p * n for p, n in zip(header.position, normal, strict=True))
    return header.slice_location


def cluster(values: list[float], tolerance: float = COINCIDENT_MM) -> list[float]:
    """Distinct positions: the lowest value of every run whose neighbours are closer than the tolerance."""
    starts: list[float] = []
    last = -math.inf
    for value in sorted(values):
        if value - last >= tolerance:
            starts.append(value)
        last = value
    return starts


def place(value: float, starts: list[float]) -> int:
    """Index of the cluster a value belongs to."""
    return sum(1 for start in starts if start <= value) - 1


def _may_be_unnamed(header: FrameHeader) -> bool:
    return header.modality in {"MR", ""} and not _OTHER.search(header.series)


def _largest_stack(candidates: list[FrameHeader]) -> list[FrameHeader]:
    """Return the largest set of parallel planes that can be a cine stack; empty where there is none."""
    stacks = [_cine_positions(group) for group in _parallel_groups(candidates)]
    return max(stacks, key=len, default=[])


def _parallel_groups(candidates: list[FrameHeader]) -> list[list[FrameHeader]]:
    groups: list[tuple[Vector | None, list[FrameHeader]]] = []
    for header in candidates:
        normal = normal_of(header)
        for reference, group in groups:
            if is_parallel(normal, reference):
                group.append(header)
                break
        else:
            groups.append((normal, [header]))
    return [group for _, group in groups]


def is_parallel(a: Vector | None, b: Vector | None) -> bool:
    """True where two planes are within 10 degrees, whichever way their normals point."""
    if a is None or b is None:
        return a is b
    return abs(math.fsum(x * y for x, y in zip(a, b, strict=True))) >= PARALLEL_COSINE


def _cine_positions(group: list[FrameHeader]) -> list[FrameHeader]:
    """Keep the positions that hold a cycle; all of them must hold about the same number of frames."""
    normal = normal_of(group[0])
    located = [(value, header) for header in group if (value := coordinate_along(header, normal)) is not None]
    starts = cluster([value for value, _ in located])
    by_place: dict[int, list[FrameHeader]] = {}
    for value, header in located:
        by_place.setdefault(place(value, starts), []).append(header)
    sizes = Counter(len(files) for files in by_place.values() if len(files) >= MIN_FRAMES)
    if not sizes:
        return []
    usual = max(sizes, key=lambda size: (sizes[size], size))
    cines = [files for files in by_place.values() if 2 * len(files) >= usual]
    # Repeats hold a multiple, damaged slices a little less: four fifths must hold exactly the usual number.
    if len(cines) < MIN_UNNAMED_SLICES or 5 * sizes[usual] < 4 * len(cines):
        return []
    return [header for files in cines for header in files]


def _normal_of(frames: list[FrameHeader]) -> Vector | None:
    counts = Counter(normal for header in frames if (normal := normal_of(header)) is not None)
    return counts.most_common(1)[0][0] if counts else None


def _refuse(headers: list[FrameHeader]) -> None:
    multiframe = sum(header.is_multiframe for header in headers)
    if multiframe:
        raise Rejected(
            Reason.CINE_ENHANCED_MULTIFRAME,
            f"{multiframe} multi-frame files and no single-frame short-axis series; "
            "expected one file per frame, convert the study first",
        )
    raise Rejected(
        Reason.CINE_NO_SHORT_AXIS,
        f"{len(headers)} images, none in a CINE_segmented_SAX series and no stack of {MIN_UNNAMED_SLICES} or more "
        f"parallel slices with {MIN_FRAMES} or more frames each; check that this is a zip of field 20209",
    )
