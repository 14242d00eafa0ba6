"""What an answer says about itself in words: why something is missing, and how far the rest can be believed.

Counts from 1 to 9 are told as "fewer than 10": they are of people.
"""

from __future__ import annotations

import math

from eccl.evaluation.suppression import SMALLEST_GROUP, hide_small, is_small
from eccl.inference.calibration import FEWEST_OF_A_CLASS, STEEP_SLOPE, Platt
from eccl.inference.distribution import FEWEST_RECORDINGS, UNUSUAL_P, Power
from eccl.inference.reference import FEWEST_VISITS, Curve, Margin

RAW = "`probability` is the model's own (raw): it follows the share of cases in training, not that of a population"
_KNOWN = {
    "train": "a model was trained on this very recording: it does better here than on people it does not know",
    "val": "a model was selected, and its intervals were made, with this very recording: it does better here than elsewhere",
}


def told_count(count: int) -> int | None:
    """A count of people as it may be told; None where it is of a small group."""
    return None if is_small(count) else count


def note_on_recording(split: str | None, power: str | None) -> str | None:
    """Note on a whole recording.

    Parameters
    ----------
    split
        Split in which a model knows this very recording, train or val; None where none does.
    power
        What :func:`note_on_power` says.
    """
    return "; ".join(note for note in (_KNOWN.get(split or ""), power) if note) or None


def note_on_power(power: Power) -> str | None:
    """Why `distribution` is unknown whatever the recording; None where validation is large enough."""
    if not power.comparisons:
        return (
            "`distribution` is unknown: found no comparison with enough training and validation recordings, expected at least "
            f"{FEWEST_RECORDINGS} of each, of as many participants"
        )
    if power.recordings >= power.needed:
        return None
    return (
        f"`distribution` is unknown: found {power.recordings} validation recordings, one per participant, expected at least "
        f"{power.needed}; with fewer, not even the farthest of all reaches p {UNUSUAL_P} once p is multiplied by the "
        f"{power.comparisons} comparisons. Look at the comparisons one by one"
    )


def note_on_cloud(recordings: int) -> str | None:
    """Why nothing is said of an embedding, from the validation recordings behind it."""
    if recordings >= FEWEST_RECORDINGS:
        return None
    if not recordings:
        return f"found too few training recordings, or none for validation, to compare with; expected at least {FEWEST_RECORDINGS} of each"
    return f"found {_count(recordings)} validation recordings to compare with, expected at least {FEWEST_RECORDINGS}"


def note_on_margin(margin: Margin) -> str | None:
    """Why a trait has no interval."""
    if not math.isnan(margin.margin):
        return None
    return f"no interval: found {_count(margin.visits)} validation visits with this trait, expected at least {FEWEST_VISITS}"


def note_on_curve(curve: Curve) -> str | None:
    """Why there is no calibrated probability, or why the one that is there deserves doubt."""
    platt, visits = curve.platt, curve.cases + curve.others
    if platt is None and min(curve.cases, curve.others) < FEWEST_OF_A_CLASS:
        return f"not calibrated: {_too_few(curve)}, expected at least {FEWEST_OF_A_CLASS} of each; {RAW}"
    if platt is None:
        return f"not calibrated: the model gives all {visits} validation visits the same output; {RAW}"
    fitted = f"({_slope(platt)}, {curve.cases} cases of {visits})"
    if platt.slope_interval[1] < 0:
        return (
            f"on validation the model gives cases lower outputs than others {fitted}; no calibrated probability is given, and the "
            "raw `probability` points the wrong way"
        )
    if not platt.tells_apart:
        return (
            f"on validation the model does not tell cases from others {fitted}; no calibrated probability is given, and the raw "
            "`probability` says next to nothing"
        )
    if platt.slope > STEEP_SLOPE:
        return (
            f"the model's outputs hardly spread on validation, and the curve stretches them {fitted}: a small difference of its "
            "output is a large one of the calibrated probability"
        )
    return None


def _slope(platt: Platt) -> str:
    low, high = platt.slope_interval
    return f"slope {platt.slope:.2g} [{low:.2g}, {high:.2g}]"


def _too_few(curve: Curve) -> str:
    """Which class is too small; its size only where it does not give a small group away."""
    counts = curve.cases, curve.others
    cases, others = (
        f"{count:,}" if not hidden else _count(count) if is_small(count) else "enough"
        for count, hidden in zip(counts, hide_small(counts), strict=True)
    )
    return f"found {cases} validation visits with and {others} without the disease"


def _count(count: int) -> str:
    return f"fewer than {SMALLEST_GROUP}" if is_small(count) else f"{count:,}"
