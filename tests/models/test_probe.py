"""The probe's layer is scikit-learn's fit on standardised features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from eccl.models.probe import fit_probe

RNG = np.random.default_rng(3)
FEATURES = RNG.normal(2, 5, (60, 7)) * np.array([1, 10, 0.1, 1, 1, 1, 0])  # the last one is constant
WEIGHT = RNG.normal(size=(7, 3))


def targets() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    values = StandardScaler().fit_transform(FEATURES) @ WEIGHT + RNG.normal(0, 0.3, (60, 3))
    values[::4, 1] = np.nan
    return values


@pytest.mark.parametrize("strength", [0.1, 30.0])
def test_a_trait_is_ridge_over_its_known_visits(strength: float) -> None:
    values = targets()
    found = fit_probe(FEATURES, values, strength, is_disease=False).predict(FEATURES)
    standard = StandardScaler().fit_transform(FEATURES)
    for trait in range(3):
        known = ~np.isnan(values[:, trait])
        expected = Ridge(alpha=strength).fit(standard[known], values[known, trait]).predict(standard)
        np.testing.assert_allclose(found[:, trait], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("strength", [0.5, 50.0])
def test_a_disease_is_logistic_regression_over_its_known_visits(strength: float) -> None:
    label = (targets()[:, :1] > 0).astype(float)
    label[::5] = np.nan
    known = ~np.isnan(label[:, 0])
    standard = StandardScaler().fit_transform(FEATURES)
    model = LogisticRegression(C=1 / strength, max_iter=1000).fit(standard[known], label[known, 0])
    found = fit_probe(FEATURES, label, strength, is_disease=True).predict(FEATURES)
    np.testing.assert_allclose(found[:, 0], model.decision_function(standard), rtol=1e-3, atol=1e-3)


def test_what_cannot_be_fitted_is_constant() -> None:
    values = targets()
    values[1:, 2] = np.nan
    found = fit_probe(FEATURES, values, 1.0, is_disease=False).predict(FEATURES)
    assert np.array_equal(found[:, 2], np.zeros(60))
    assert found[:, 0].std() > 0.1
    cases = fit_probe(FEATURES, np.zeros((60, 1)), 1.0, is_disease=True).predict(FEATURES)
    np.testing.assert_allclose(cases, np.log(0.5 / 60.5), rtol=1e-6)


def test_the_same_fit_has_the_same_weights() -> None:
    values = targets()
    one, other = (fit_probe(FEATURES, values, 1.0, is_disease=False).linear.weight for _ in range(2))
    assert one.equal(other)
