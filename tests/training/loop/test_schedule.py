"""The learning rate over the steps of a run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eccl.training.loop.trainer import learning_rate


@given(total=st.integers(2, 400), share=st.floats(0, 0.99), peak=st.floats(1e-6, 1))
def test_it_rises_to_the_peak_then_only_falls_to_nearly_zero(total: int, share: float, peak: float) -> None:
    warmup = min(int(total * share), total - 1)
    rates = [learning_rate(step, total, warmup, peak) for step in range(total)]
    rising, falling = rates[:warmup], rates[warmup:]
    assert all(a < b for a, b in zip(rising, rising[1:], strict=False))  # strictly: no sawtooth over groups or epochs
    assert all(a > b for a, b in zip(falling, falling[1:], strict=False))
    assert falling[0] == pytest.approx(peak)
    assert max(rates) <= peak * (1 + 1e-12)
    assert rates[-1] == pytest.approx(peak * math.sin(math.pi / 2 / len(falling)) ** 2)
    if rising:
        assert rising[0] == pytest.approx(peak / warmup)
        assert rising[-1] == pytest.approx(peak)


def test_it_stays_at_zero_after_the_end() -> None:
    assert learning_rate(100, 100, 10, 1.0) == pytest.approx(0)
    assert learning_rate(150, 100, 10, 1.0) == pytest.approx(0)


def test_half_of_the_decay_gives_half_of_the_peak() -> None:
    assert learning_rate(40 + 80, 200, 40, 8e-5) == pytest.approx(4e-5)
