from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eccl.cards.suppression import HIDDEN, count_text, hide_small


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_no_small_group_is_told_nor_given_away_by_the_total(counts: list[int]) -> None:
    hidden = hide_small(counts)
    for count, is_hidden in zip(counts, hidden, strict=True):
        assert is_hidden or count == 0 or count >= 10
    small = [count for count in counts if 0 < count < 10]
    if len(small) == 1 and any(count >= 10 for count in counts):
        assert sum(hidden) == 2  # the difference to the total is that of two groups
    else:
        assert sum(hidden) == len(small)


def test_of_the_large_groups_the_smallest_is_hidden_with_a_small_one() -> None:
    assert hide_small([3, 50, 12, 0]) == [True, False, True, False]


def test_counts_in_print() -> None:
    assert [count_text(count) for count in (0, 1, 9, 10, 12345)] == ["0", HIDDEN, HIDDEN, "10", "12,345"]
    assert count_text(12, True) == "hidden"
    assert count_text(4, True) == HIDDEN
    assert count_text(4, False) == "4"
