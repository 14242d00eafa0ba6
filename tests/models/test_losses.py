"""Losses against naive references."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from eccl.models.losses import info_nce, masked_bce, masked_mse


def naive_info_nce(z_ecg: Tensor, z_cmr: Tensor, temperature: float, alpha: float) -> float:
    """Eq. 1 to 3 row by row, in Python floats."""
    ecg = [[x / math.hypot(*row) for x in row] for row in z_ecg.tolist()]
    cmr = [[x / math.hypot(*row) for x in row] for row in z_cmr.tolist()]

    def similarity(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / temperature

    def one_way(own: list[list[float]], others: list[list[float]]) -> float:
        total = 0.0
        for i, row in enumerate(own):
            total -= math.log(math.exp(similarity(row, others[i])) / sum(math.exp(similarity(row, o)) for o in others))
        return total / len(own)

    return alpha * one_way(ecg, cmr) + (1 - alpha) * one_way(cmr, ecg)


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 7),
    width=st.integers(2, 9),
    temperature=st.floats(0.05, 2),
    alpha=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_info_nce_equals_the_papers_equations(
    batch: int, width: int, temperature: float, alpha: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    z_ecg = 3 * torch.randn(batch, width, generator=generator)
    z_cmr = 0.2 * torch.randn(batch, width, generator=generator)
    expected = naive_info_nce(z_ecg, z_cmr, temperature, alpha)
    assert info_nce(z_ecg, z_cmr, temperature, alpha).item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_alpha_one_half_treats_both_sides_alike() -> None:
    a, b = torch.randn(6, 4), torch.randn(6, 4)
    torch.testing.assert_close(info_nce(a, b), info_nce(b, a))
    assert not torch.isclose(info_nce(a, b, alpha=1.0), info_nce(b, a, alpha=1.0))
    torch.testing.assert_close(info_nce(a, b, alpha=0.8), info_nce(b, a, alpha=0.2))


def test_the_length_of_a_vector_does_not_matter() -> None:
    a, b = torch.randn(5, 4), torch.randn(5, 4)
    torch.testing.assert_close(info_nce(a, b), info_nce(a * torch.rand(5, 1).add(0.5), 100 * b))


def test_aligned_pairs_beat_shuffled_ones_and_a_batch_of_one_is_zero() -> None:
    z = torch.randn(8, 16)
    assert info_nce(z, z) < 0.1 * info_nce(z, z.roll(1, 0))
    assert info_nce(z[:1], z[1:2]).item() == 0


def test_a_temperature_that_is_a_parameter_gets_a_gradient() -> None:
    temperature = torch.tensor(0.1, requires_grad=True)
    info_nce(torch.randn(4, 3), torch.randn(4, 3), temperature).backward()  # type: ignore[no-untyped-call]
    assert temperature.grad is not None
    assert temperature.grad.abs() > 0


def test_similarities_stay_in_float32_under_autocast() -> None:
    a, b = torch.randn(16, 64), torch.randn(16, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = info_nce(a, b)
    torch.testing.assert_close(inside, info_nce(a, b), rtol=0, atol=0)


def test_masked_mse_of_complete_traits_is_mse() -> None:
    predicted, target = torch.randn(7, 5), torch.randn(7, 5)
    torch.testing.assert_close(masked_mse(predicted, target), functional.mse_loss(predicted, target))


def test_masked_mse_averages_per_trait_over_known_targets() -> None:
    predicted = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 5.0]], requires_grad=True)
    target = torch.tensor([[0.0, float("nan"), float("nan")], [0.0, 2.0, float("nan")]])
    loss = masked_mse(predicted, target)
    assert loss.item() == pytest.approx(((1 + 9) / 2 + 4) / 2)
    loss.backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert (predicted.grad[target.isnan()] == 0).all()
    assert (predicted.grad[~target.isnan()] != 0).all()


def test_masked_bce_is_bce_over_known_labels() -> None:
    logit = torch.tensor([[0.3], [-2.0], [5.0]], requires_grad=True)
    label = torch.tensor([[1.0], [0.0], [float("nan")]])
    loss = masked_bce(logit, label)
    expected = functional.binary_cross_entropy_with_logits(logit[:2], label[:2])
    torch.testing.assert_close(loss, expected)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logit.grad is not None
    assert logit.grad[2].item() == 0
    assert logit.grad[:2].abs().min() > 0


@pytest.mark.parametrize("loss", [masked_mse, masked_bce])
def test_nothing_known_is_zero_with_a_zero_gradient(loss: object) -> None:
    predicted = torch.randn(3, 1, requires_grad=True)
    value = loss(predicted, torch.full((3, 1), float("nan")))  # type: ignore[operator]
    value.backward()
    assert value.item() == 0
    assert predicted.grad is not None
    assert (predicted.grad == 0).all()


def test_extreme_logits_do_not_overflow() -> None:
    loss = masked_bce(torch.tensor([[1e4], [-1e4]]), torch.tensor([[0.0], [1.0]]))
    assert loss.item() == pytest.approx(1e4)
