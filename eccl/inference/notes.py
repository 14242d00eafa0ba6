"""Notes of predictions: why a value is missing, and what limits the others.

Counts of 1 to 9 people are written as "fewer than 10".
"""

from __future__ import annotations

import math

from eccl.evaluation.suppression import SMALLEST_GROUP, hide_small, is_small
from eccl.inference.calibration import FEWEST_OF_A_CLASS, STEEP_SLOPE, Platt
from eccl.inference.distribution import FEWEST_RECORDINGS, UNUSUAL_P, Power
from eccl.inference.reference import FEWEST_VISITS, Curve, Margin

RAW = "`probability` is the model's own (raw): it follows the share of cases in training, not that of a population"
_KNOWN = {
    "train": "a model was trained on this very recording: its error here is smaller than on new participants",
    "val": "a model was selected, and its intervals were computed, with this very recording: its error here is "
    "smaller than on new participants",
}


def shown_count(count: int) -> int | None:
    """Return a count of people; None if it is of a small group and must not be shown."""
    return None if is_small(count) else count


def note_on_recording(split: str | None, power: str | None) -> str | None:
    """Write the note of a whole recording.

    Parameters
    ----------
    split
        Split of a model that contains this very recording, train or val; None if there is none.
    power
        Result of :func:`note_on_power`.
    """
    return "; ".join(note for note in (_KNOWN.get(split or ""), power) if note) or None


def note_on_power(power: Power) -> str | None:
    """Explain why `distribution` is unknown for every recording; None if validation is large enough."""
    if not power.comparisons:
        return (
            "`distribution` is unknown: found no comparison with enough training and validation recordings, expected at least "
            f"{FEWEST_RECORDINGS} of each, of as many participants"
        )
    if power.recordings >= power.needed:
        return None
    return (
        f"`distribution` is unknown: found {power.recordings} validation recordings, one per participant, expected at least "
        f"{power.needed}; with fewer, not even the farthest recording reaches p {UNUSUAL_P} once p is multiplied by the "
        f"{power.comparisons} comparisons. Read the comparisons one by one"
    )


def note_on_cloud(recordings: int) -> str | None:
    """Explain why an embedding has no verdict, from the number of validation recordings; None if it has one."""
    if recordings >= FEWEST_RECORDINGS:
        return None
    if not recordings:
        return f"found too few training recordings, or none for validation, to compare with; expected at least {FEWEST_RECORDINGS} of each"
    return f"found {_count(recordings)} validation recordings to compare with, expected at least {FEWEST_RECORDINGS}"


def note_on_margin(margin: Margin) -> str | None:
    """Explain why a trait has no interval; None if it has one."""
    if not math.isnan(margin.margin):
        return None
    return f"no interval: found {_count(margin.visits)} validation visits with this trait, expected at least {FEWEST_VISITS}"


def note_on_curve(curve: Curve) -> str | None:
    """Explain why there is no calibrated probability, or why it is doubtful; None if it is neither missing nor doubtful."""
    platt, visits = curve.platt, curve.cases + curve.others
    if platt is None and min(curve.cases, curve.others) < FEWEST_OF_A_CLASS:
        return f"not calibrated: {_too_few(curve)}, expected at least {FEWEST_OF_A_CLASS} of each; {RAW}"
    if platt is None:
        return f"not calibrated: the model gives all {visits} validation visits the same output; {RAW}"
    fitted = f"({_slope(platt)}, {curve.cases} cases of {visits})"
    if platt.slope_interval[1] < 0:
        return (
            f"on validation the model gives cases lower outputs than others {fitted}; no calibrated probability is given, and the "
            "raw `probability` ranks visits in the wrong order"
        )
    if not platt.separates_cases:
        return (
            f"on validation the model does not separate cases from others {fitted}; no calibrated probability is given, and the raw "
            "`probability` carries next to no information"
        )
    if platt.slope > STEEP_SLOPE:
        return (
            f"the model's outputs vary little on validation, and the curve stretches them {fitted}: a small difference of the "
            "output is a large difference of the calibrated probability"
        )
    return None


def _slope(platt: Platt) -> str:
    lower, upper = platt.slope_interval
    return f"slope {platt.slope:.2g} [{lower:.2g}, {upper:.2g}]"


def _too_few(curve: Curve) -> str:
    """Name the class that is too small; its size only if no small group can be computed from it."""
    counts = curve.cases, curve.others
    cases, others = (
        f"{count:,}" if not hidden else _count(count) if is_small(count) else "enough"
        for count, hidden in zip(counts, hide_small(counts), strict=True)
    )
    return f"found {cases} validation visits with and {others} without the disease"


def _count(count: int) -> str:
    return f"fewer than {SMALLEST_GROUP}" if is_small(count) else f"{count:,}"
