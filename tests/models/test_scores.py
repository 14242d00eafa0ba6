"""Scores against other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from eccl.models.scores import mean_defined, pearson_per_trait, pearson_r, roc_auc

NAN = float("nan")


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=2, max_size=40))
def test_auc_equals_sklearn_with_ties(values: list[tuple[bool, int]]) -> None:
    label = np.array([case for case, _ in values], dtype=float)
    score = np.array([value for _, value in values], dtype=float)
    if len(set(label)) < 2:
        assert np.isnan(roc_auc(label, score))
    else:
        assert roc_auc(label, score) == pytest.approx(roc_auc_score(label, score))


def test_undecided_labels_are_left_out_of_an_auc() -> None:
    label, score = np.array([1, 0, NAN, 1]), np.array([0.9, 0.1, NAN, 0.8])
    assert roc_auc(label, score) == 1
    assert np.isnan(roc_auc(np.array([1.0, 0.0]), np.array([0.5, NAN])))


def test_pearson_equals_numpy_over_known_pairs() -> None:
    rng = np.random.default_rng(0)
    target, predicted = rng.normal(size=50), rng.normal(size=50)
    expected = np.corrcoef(target[5:], predicted[5:])[0, 1]
    target[:3], predicted[3:5] = np.nan, np.nan
    assert pearson_r(target, predicted) == pytest.approx(expected)


def test_an_undefined_correlation_is_nan_and_is_left_out_of_the_mean() -> None:
    target = np.array([[1.0, 1.0, NAN], [2.0, 1.0, NAN], [3.0, 1.0, 4.0]])
    per_trait = pearson_per_trait(target, target * 2)
    assert per_trait[0] == pytest.approx(1)
    assert np.isnan(per_trait[1:]).all()
    assert mean_defined(per_trait) == pytest.approx(1)
    assert np.isnan(mean_defined(per_trait[1:]))
