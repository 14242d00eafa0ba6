from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eccl.evaluation.suppression import HIDDEN, count_text, hide_small


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_no_small_group_is_told_nor_given_away_by_the_total(counts: list[int]) -> None:
    hidden = hide_small(counts)
    for count, is_hidden in zip(counts, hidden, strict=True):
        assert is_hidden or count == 0 or count >= 10
    gone = [count for count, is_hidden in zip(counts, hidden, strict=True) if is_hidden]
    if not any(0 < count < 10 for count in counts):
        assert not gone
    elif any(count >= 10 for count in counts):
        # The total less what is printed is the size of the hidden groups together.
        assert sum(gone) >= 10
        assert len(gone) >= 2
    if any(count >= 10 for count in gone):  # and no more is hidden than that takes
        without = sorted(gone)[:-1]
        assert len(without) < 2 or sum(without) < 10


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([3, 50, 12, 0], [True, False, True, False]),  # of the large groups the smallest goes with a small one
        ([3, 4, 100, 100], [True, True, True, False]),  # seven people would be told of by subtraction
        ([3, 8, 100], [True, True, False]),  # eleven hidden people say nothing of either group
        ([9, 9], [True, True]),
        ([9], [True]),
    ],
)
def test_what_is_hidden_with_a_small_group(counts: list[int], hidden: list[bool]) -> None:
    assert hide_small(counts) == hidden


def test_counts_in_print() -> None:
    assert [count_text(count) for count in (0, 1, 9, 10, 12345)] == ["0", HIDDEN, HIDDEN, "10", "12,345"]
    assert count_text(12, True) == "hidden"
    assert count_text(4, True) == HIDDEN
    assert count_text(4, False) == "4"
