"""What an epoch shows: groups of cases and controls, and their batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eccl.training.inputs.sampling import batches, chunks, disease_groups, epoch_batches


def labels_of(cases: int, controls: int, seed: int = 0) -> np.ndarray:
    label = np.zeros(cases + controls)
    label[np.random.default_rng(seed).permutation(cases + controls)[:cases]] = 1
    return label


@given(cases=st.integers(1, 12), controls=st.integers(0, 150), ratio=st.integers(1, 4), epoch=st.integers(0, 3))
def test_every_group_has_all_cases_and_exactly_the_ratio_of_controls(
    cases: int, controls: int, ratio: int, epoch: int
) -> None:
    label = labels_of(cases, controls)
    groups = disease_groups(label, ratio, 7, epoch)
    if controls <= ratio * cases:  # so common that one group holds everything
        assert len(groups) == 1
        assert sorted(groups[0].tolist()) == list(range(cases + controls))
        return
    assert len(groups) == -(-controls // (ratio * cases))
    for group in groups:
        assert len(set(group.tolist())) == len(group)
        assert set(np.flatnonzero(label == 1)) <= set(group.tolist())
        assert int((label[group] == 0).sum()) == ratio * cases
    assert set(np.concatenate(groups).tolist()) == set(range(cases + controls))


@given(cases=st.integers(1, 5), controls=st.integers(12, 90))
def test_only_the_tail_of_the_last_group_repeats_controls(cases: int, controls: int) -> None:
    label = labels_of(cases, controls)
    groups = disease_groups(label, 2, 0, 0)
    times = np.bincount(np.concatenate(groups), minlength=len(label))[label == 0]
    assert set(times.tolist()) <= {1, 2}
    if len(groups) > 1:
        assert int((times == 2).sum()) == len(groups) * 2 * cases - controls


def test_controls_are_dealt_anew_every_epoch_and_the_seed_repeats_them() -> None:
    label = labels_of(4, 60)
    first = [set(group.tolist()) for group in disease_groups(label, 2, 1, 0)]
    assert first == [set(group.tolist()) for group in disease_groups(label, 2, 1, 0)]
    assert first != [set(group.tolist()) for group in disease_groups(label, 2, 1, 1)]
    assert first != [set(group.tolist()) for group in disease_groups(label, 2, 2, 0)]


@pytest.mark.parametrize("label", [np.zeros(5), np.ones(5), np.array([1.0, 1.0, 1.0, 0.0])])
def test_one_class_or_a_prevalence_above_one_third_gives_one_group(label: np.ndarray) -> None:
    (group,) = disease_groups(label, 2, 0, 0)
    assert sorted(group.tolist()) == list(range(len(label)))


@given(size=st.integers(1, 40), batch_size=st.integers(1, 12), is_dropped=st.booleans())
def test_batches_are_full_and_lose_only_the_tail(size: int, batch_size: int, is_dropped: bool) -> None:
    found = batches([np.arange(size)], batch_size, 3, 0, drop_last=is_dropped)
    shown = np.concatenate(found).tolist()
    assert len(set(shown)) == len(shown)
    if is_dropped:
        assert {len(batch) for batch in found} == {min(batch_size, size)}
        assert len(shown) == (size - size % batch_size if size >= batch_size else size)
    else:
        assert sorted(shown) == list(range(size))
        sizes = {len(batch) for batch in found}
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1  # no last batch of one or two


@given(size=st.integers(1, 60), blocks=st.integers(1, 7), batch_size=st.integers(1, 9), epoch=st.integers(0, 3))
def test_blocks_are_read_one_after_the_other(size: int, blocks: int, batch_size: int, epoch: int) -> None:
    block = np.random.default_rng(size).integers(blocks, size=size)
    plain = batches([np.arange(size)], batch_size, 3, epoch, drop_last=False)
    found = batches([np.arange(size)], batch_size, 3, epoch, drop_last=False, block=block)
    assert [len(batch) for batch in found] == [len(batch) for batch in plain]
    shown = np.concatenate(found)
    assert sorted(shown.tolist()) == list(range(size))
    changes = int((np.diff(block[shown]) != 0).sum())
    assert changes == len(np.unique(block)) - 1  # every block is entered once


def test_blocks_and_records_within_them_are_shuffled_every_epoch() -> None:
    block = np.repeat(np.arange(5), 8)
    orders = [np.concatenate(batches([np.arange(40)], 8, 3, epoch, drop_last=False, block=block)) for epoch in (0, 1)]
    assert block[orders[0]].tolist() != block[orders[1]].tolist()
    first = [order[block[order] == 2].tolist() for order in orders]
    assert first[0] != first[1]


def test_no_batch_straddles_two_groups() -> None:
    groups = disease_groups(labels_of(3, 30), 2, 0, 0)
    for batch in batches(groups, 5, 0, 0, drop_last=False):
        assert any(set(batch.tolist()) <= set(group.tolist()) for group in groups)
        assert len(set(batch.tolist())) == len(batch)


@settings(max_examples=20)
@given(cases=st.integers(2, 6), controls=st.integers(5, 60), batch_size=st.integers(2, 9))
def test_every_epoch_has_the_same_number_of_batches(cases: int, controls: int, batch_size: int) -> None:
    # The schedule counts optimiser steps and needs their total in advance.
    positions = 100 + np.arange(cases + controls)
    of_epoch = epoch_batches(
        positions,
        labels_of(cases, controls),
        batch_size=batch_size,
        negatives_per_case=2,
        seed=0,
        drop_last=True,
    )
    assert len({len(of_epoch(epoch)) for epoch in range(4)}) == 1
    assert set(np.concatenate(of_epoch(0)).tolist()) <= set(positions.tolist())


def test_without_labels_an_epoch_shows_everything_once_in_a_new_order() -> None:
    of_epoch = epoch_batches(np.arange(20), None, batch_size=6, negatives_per_case=2, seed=0, drop_last=False)
    first, second = np.concatenate(of_epoch(0)), np.concatenate(of_epoch(1))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(20))
    assert first.tolist() != second.tolist()


@given(count=st.integers(0, 50), size=st.integers(1, 20))
def test_evaluation_drops_nothing_and_keeps_the_order(count: int, size: int) -> None:
    assert [int(i) for chunk in chunks(count, size) for i in chunk] == list(range(count))
