"""Notes of predictions contain what was found and what was expected, and no small count of people."""

from __future__ import annotations

import re

import numpy as np
import pytest

from eccl.inference.calibration import FEWEST_OF_A_CLASS, Platt
from eccl.inference.distribution import Power, combine, judge
from eccl.inference.notes import (
    note_on_cloud,
    note_on_curve,
    note_on_margin,
    note_on_power,
    note_on_recording,
    shown_count,
)
from eccl.inference.reference import Curve, Margin

NAN = float("nan")


def numbers(text: str | None) -> set[int]:
    return {int(found.replace(",", "")) for found in re.findall(r"\b\d[\d,]*\b", text or "")}


def curve(slope: float, error: float, cases: int = 12, others: int = 68) -> Curve:
    return Curve(Platt(-1.0, slope, np.array([[0.1, 0.0], [0.0, error**2]])), cases, others)


@pytest.mark.parametrize("few", range(1, 10))
def test_no_count_below_ten_can_be_read_or_computed(few: int) -> None:
    for counts in ((few, 80), (80, few), (few, few)):
        note = note_on_curve(Curve(None, *counts))
        assert note is not None
        assert numbers(note) == {FEWEST_OF_A_CLASS}, note  # 80 of a known total would give the others away
        assert "fewer than 10 validation visits with" in note or "fewer than 10 without" in note
    assert numbers(note_on_margin(Margin(NAN, few))) == {10}
    assert numbers(note_on_cloud(few)) == {10, 20}
    assert shown_count(few) is None
    assert (shown_count(0), shown_count(10)) == (0, 10)


def test_zero_and_large_counts_are_shown() -> None:
    assert "found 0 validation visits with and 1,200 without" in (note_on_curve(Curve(None, 0, 1200)) or "")
    assert "found 0 validation visits with this trait" in (note_on_margin(Margin(NAN, 0)) or "")
    assert note_on_margin(Margin(2.0, 10)) is None
    assert note_on_cloud(19) == "found 19 validation recordings to compare with, expected at least 20"
    assert note_on_cloud(20) is None


def test_the_note_of_a_flat_curve_has_slope_and_cases() -> None:
    note = note_on_curve(curve(0.1, 0.255))
    assert note is not None
    assert "does not separate cases from others (slope 0.1 [-0.4, 0.6], 12 cases of 80)" in note
    assert "no calibrated probability is given" in note


def test_the_note_of_a_falling_curve_warns_of_reversed_ranks() -> None:
    note = note_on_curve(curve(-2.0, 0.5))
    assert note is not None
    assert "gives cases lower outputs than others (slope -2 [-3, -1], 12 cases of 80)" in note
    assert "no calibrated probability is given" in note
    assert "wrong order" in note


def test_a_steep_curve_has_a_note_and_a_normal_one_has_none() -> None:
    note = note_on_curve(curve(36.7, 10.0))
    assert note is not None
    assert "vary little" in note
    assert "(slope 37 [17, 56], 12 cases of 80)" in note
    assert "no calibrated probability" not in note
    assert note_on_curve(curve(5.0, 1.0)) is None
    assert note_on_curve(curve(1.0, 0.2)) is None


def test_the_note_of_equal_outputs_is_not_about_few_cases() -> None:
    note = note_on_curve(Curve(None, 12, 68))
    assert note is not None
    assert "gives all 80 validation visits the same output" in note
    assert "expected at least" not in note


@pytest.mark.parametrize(
    ("comparisons", "recordings", "needed"), [(11, 218, 219), (11, 22, 219), (7, 138, 139), (1, 15, 20)]
)
def test_the_note_of_an_unknown_verdict_has_found_and_expected_counts(
    comparisons: int, recordings: int, needed: int
) -> None:
    note = note_on_power(Power(comparisons, recordings))
    assert note is not None
    assert f"found {recordings} validation recordings" in note
    assert f"expected at least {needed}" in note
    assert note_on_power(Power(comparisons, needed)) is None


def test_the_note_is_there_exactly_where_the_verdict_is_unknown() -> None:
    for comparisons in (1, 2, 7, 11):
        for recordings in (20, 38, 39, 138, 139, 218, 219, 1099):
            nearest = np.full((1, comparisons), 1 / (1 + recordings))
            (farthest,) = judge(combine(nearest), recordings, comparisons)
            note = note_on_power(Power.of([recordings] * comparisons))
            assert (note is not None) == (farthest == "unknown"), (comparisons, recordings)


def test_comparisons_with_few_recordings_do_not_count() -> None:
    assert Power.of([300, 19, 250, 0]) == Power(2, 250)
    assert Power.of([9, 9]) == Power(0, 0)
    note = note_on_power(Power.of([9, 9]))
    assert note is not None
    assert numbers(note) == {20}


def test_a_known_recording_and_a_small_validation_split_are_both_noted() -> None:
    power = note_on_power(Power(7, 22))
    assert note_on_recording(None, None) is None
    assert note_on_recording(None, power) == power
    both = note_on_recording("train", power)
    assert both is not None
    assert "trained on this very recording" in both
    assert both.endswith(str(power))
    selected = note_on_recording("val", None)
    assert selected is not None
    assert "a model was selected" in selected
    assert "epoch" not in selected  # a probe has none
