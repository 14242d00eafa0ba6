"""Triplets and the label-aware contrast against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from eccl.models.losses import contrast, info_nce, triplet
from eccl.models.specs import AlignmentSpec


def drawn(batch: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(batch, width, generator=generator), 0.2 * torch.randn(batch, width, generator=generator)


def naive_triplet(anchors: Tensor, others: Tensor, margin: float) -> float:
    """One direction, triplet by triplet."""
    anchors, others = (functional.normalize(one.double(), dim=-1) for one in (anchors, others))
    chosen: list[float] = []
    for i in range(len(anchors)):
        positive = math.dist(anchors[i].tolist(), others[i].tolist())
        rest = [math.dist(anchors[i].tolist(), others[j].tolist()) for j in range(len(others)) if j != i]
        semi_hard = [one for one in rest if positive < one < positive + margin]
        hard = [one for one in rest if one <= positive]
        chosen += [margin + positive - one for one in semi_hard or hard]
    return sum(chosen) / len(chosen) if chosen else 0.0


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 9),
    width=st.integers(2, 6),
    margin=st.floats(0.05, 1.0),
    alpha=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_triplet_is_the_loop_over_triplets(batch: int, width: int, margin: float, alpha: float, seed: int) -> None:
    ecg, cmr = drawn(batch, width, seed)
    expected = alpha * naive_triplet(ecg, cmr, margin) + (1 - alpha) * naive_triplet(cmr, ecg, margin)
    assert triplet(ecg.double(), cmr.double(), margin, alpha).item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_semi_hard_negatives_are_taken_before_hard_ones() -> None:
    angle = torch.tensor([0.0, 1.0])  # of two visits' vectors on the circle
    at = [torch.stack([one.cos(), one.sin()], dim=1) for one in (angle, torch.tensor([0.5, 0.4]))]
    # The first anchor's positive is farther than its only negative, which is hard; the second has a hard one as well.
    expected = naive_triplet(at[0], at[1], 0.3)
    gaps = [2 * math.sin(a / 2) - 2 * math.sin(b / 2) for a, b in ((0.5, 0.4), (0.6, 0.5))]
    assert expected == pytest.approx(0.3 + sum(gaps) / 2)
    assert triplet(at[0], at[1], 0.3, alpha=1.0).item() == pytest.approx(expected, abs=1e-5)


def test_where_nothing_violates_the_margin_the_loss_is_zero_and_has_a_gradient() -> None:
    ecg = torch.eye(4).requires_grad_()  # a visit's own vector equals it, every other is at a right angle
    cmr = torch.eye(4).requires_grad_()
    loss = triplet(ecg, cmr, 0.5)
    assert loss.item() == 0
    loss.backward()
    assert ecg.grad is not None
    assert cmr.grad is not None
    assert torch.equal(ecg.grad, torch.zeros(4, 4))
    assert torch.equal(cmr.grad, torch.zeros(4, 4))


def test_a_batch_of_one_has_no_triplet_and_equal_vectors_have_a_finite_gradient() -> None:
    one = torch.ones(1, 3, requires_grad=True)
    assert triplet(one, torch.ones(1, 3), 0.2).item() == 0
    same = torch.ones(4, 3, requires_grad=True)  # all negatives as near as the positive: hard ones
    loss = triplet(same, torch.ones(4, 3), 0.2)
    assert loss.item() == pytest.approx(0.2, abs=1e-4)
    loss.backward()
    assert same.grad is not None
    assert bool(same.grad.isfinite().all())


def test_triplet_goes_one_way_or_both() -> None:
    ecg, cmr = drawn(6, 4, 3)
    both, one = AlignmentSpec(loss="triplet", margin=0.4), AlignmentSpec(loss="triplet", margin=0.4, is_symmetric=False)
    torch.testing.assert_close(contrast(both, ecg, cmr, 0.1), contrast(both, cmr, ecg, 0.1))
    torch.testing.assert_close(contrast(one, ecg, cmr, 0.1), triplet(ecg, cmr, 0.4, 1.0))
    assert not torch.isclose(contrast(one, ecg, cmr, 0.1), contrast(one, cmr, ecg, 0.1))


def test_training_on_triplets_separates_what_violates() -> None:
    torch.manual_seed(0)
    ecg, cmr = (one.requires_grad_() for one in drawn(8, 4, 1))
    optimiser = torch.optim.Adam([ecg, cmr], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        triplet(ecg, cmr, 0.2).backward()
        optimiser.step()
    assert triplet(ecg, cmr, 0.2).item() < 0.02


def naive_label_aware(rows: Tensor, columns: Tensor, label: list[float], temperature: float) -> float:
    rows, columns = (functional.normalize(one.double(), dim=-1) for one in (rows, columns))
    total = 0.0
    for i in range(len(rows)):
        logit = [float(rows[i] @ columns[j]) / temperature for j in range(len(columns))]
        rest = [j for j in range(len(columns)) if j == i or not (label[i] == 1 and label[j] == 1)]
        total += math.log(sum(math.exp(logit[j]) for j in rest)) - logit[i]
    return total / len(rows)


@settings(max_examples=30, deadline=None)
@given(
    label=st.lists(st.sampled_from([0.0, 1.0, float("nan")]), min_size=1, max_size=9),
    alpha=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_label_aware_leaves_other_cases_out_of_a_cases_negatives(label: list[float], alpha: float, seed: int) -> None:
    ecg, cmr = drawn(len(label), 4, seed)
    expected = alpha * naive_label_aware(ecg, cmr, label, 0.2) + (1 - alpha) * naive_label_aware(cmr, ecg, label, 0.2)
    assert info_nce(ecg, cmr, 0.2, alpha, torch.tensor(label)).item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_without_two_cases_label_aware_is_the_plain_loss() -> None:
    ecg, cmr = drawn(6, 4, 0)
    label = torch.tensor([0.0, 0.0, 1.0, 0.0, float("nan"), float("nan")])
    torch.testing.assert_close(info_nce(ecg, cmr, label=label), info_nce(ecg, cmr))
    label[0] = 1.0
    assert info_nce(ecg, cmr, label=label) < info_nce(ecg, cmr)


def test_only_cases_give_a_finite_loss_and_no_push() -> None:
    ecg, cmr = drawn(3, 4, 0)
    ecg.requires_grad_()
    loss = info_nce(ecg, cmr, label=torch.ones(3))
    assert loss.item() == pytest.approx(0, abs=1e-6)
    loss.backward()
    assert ecg.grad is not None
    assert bool(ecg.grad.isfinite().all())


def test_the_named_loss_is_used() -> None:
    ecg, cmr = drawn(5, 4, 2)
    label = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(contrast(AlignmentSpec(alpha=0.3), ecg, cmr, 0.2), info_nce(ecg, cmr, 0.2, 0.3))
    aware = AlignmentSpec(loss="label_aware", alpha=0.3)
    torch.testing.assert_close(contrast(aware, ecg, cmr, 0.2, label), info_nce(ecg, cmr, 0.2, 0.3, label))
    with pytest.raises(ValueError, match="needs the labels"):
        contrast(aware, ecg, cmr, 0.2)
