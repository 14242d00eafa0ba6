from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eccl.cohort.splits import assign_splits, split_bucket, split_of

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
eids = st.lists(st.integers(9_000_000, 9_999_999), unique=True, min_size=1, max_size=60)


@given(eids, st.randoms())
def test_a_participant_is_in_one_split_whatever_the_order_and_company(people: list[int], random: object) -> None:
    whole = dict(zip(*_columns(people), strict=True))
    random.shuffle(people)  # type: ignore[attr-defined]
    half = dict(zip(*_columns(people[: len(people) // 2 + 1]), strict=True))
    assert all(whole[eid] == split for eid, split in half.items())


def test_shares_are_met_on_many_participants() -> None:
    table = assign_splits(range(9_000_000, 9_020_000), "eccl", SHARES)
    for split, share in SHARES.items():
        found = sum(value == split for value in table.column("split").to_pylist()) / table.num_rows
        assert abs(found - share) < 0.015


def test_another_key_is_another_split() -> None:
    people = range(9_000_000, 9_000_200)
    same = sum(split_of(split_bucket(e, "a"), SHARES) == split_of(split_bucket(e, "b"), SHARES) for e in people)
    assert same < 130  # 0.44 of 200 expected by chance


def test_the_split_of_a_participant_never_changes() -> None:
    # Written down once: a change of the hash would silently reshuffle every cohort in the field.
    assert [split_of(split_bucket(eid, "eccl"), SHARES) for eid in range(9_000_000, 9_000_008)] == FROZEN


FROZEN = ["test", "train", "train", "train", "train", "val", "train", "test"]


def _columns(people: list[int]) -> tuple[list[int], list[str]]:
    table = assign_splits(people, "eccl", SHARES)
    return table.column("eid").to_pylist(), table.column("split").to_pylist()
