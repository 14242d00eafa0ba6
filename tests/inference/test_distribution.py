from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from eccl.inference.distribution import FEWEST_RECORDINGS, Cloud, Range, worst


def test_a_measure_is_judged_by_percentiles_and_extremes() -> None:
    one = Range.of("noise", np.arange(1001.0))
    assert (one.least, one.low, one.high, one.most) == (0.0, 10.0, 990.0, 1000.0)
    verdicts = one.judge(np.array([10.0, 990.0, 9.99, 990.01, 0.0, 1000.0, -0.01, 1000.01]))
    assert verdicts.tolist() == ["inside"] * 2 + ["unusual"] * 4 + ["outside"] * 2


def test_a_value_that_no_training_recording_has_is_outside_a_constant() -> None:
    assert Range.of("flat_leads", np.zeros(50)).judge(np.array([0, 1])).tolist() == ["inside", "outside"]


def test_nothing_is_said_from_a_handful_of_recordings() -> None:
    few = FEWEST_RECORDINGS - 1
    assert Range.of("noise", np.r_[np.arange(float(few)), np.nan]).judge(np.array([1e9])).tolist() == ["unknown"]
    assert Range.of("noise", np.empty(0)).judge(np.array([0.0])).tolist() == ["unknown"]
    rng = np.random.default_rng(0)
    cloud = Cloud.of(rng.normal(size=(60, 3)), rng.normal(size=(few, 3)))
    assert cloud.judge(np.array([1e9])).tolist() == ["unknown"]


@pytest.mark.parametrize("count", [10, 300])  # fewer recordings than dimensions, and more
def test_distances_are_those_of_mahalanobis_under_the_shrunk_covariance(count: int) -> None:
    rng = np.random.default_rng(1)
    train = rng.normal(size=(count, 24)) * np.linspace(0.1, 30, 24)
    new = rng.normal(size=(5, 24)) * 10
    fitted = LedoitWolf().fit(train)
    expected = [mahalanobis(one, fitted.location_, np.linalg.inv(fitted.covariance_)) for one in new]
    np.testing.assert_allclose(Cloud.of(train, new).measure(new), expected, rtol=1e-6)


def test_recordings_like_those_of_validation_are_inside_and_others_are_not() -> None:
    rng = np.random.default_rng(2)
    cloud = Cloud.of(rng.normal(size=(2000, 8)), rng.normal(size=(2000, 8)))
    verdicts = cloud.judge(cloud.measure(rng.normal(size=(4000, 8))))
    assert (verdicts == "inside").mean() == pytest.approx(0.95, abs=0.02)
    assert (verdicts == "outside").mean() == pytest.approx(0.01, abs=0.01)
    far = cloud.measure(rng.normal(size=(10, 8)) + 5)
    assert (cloud.judge(far) == "outside").all()
    assert (cloud.percentile(far) == 100).all()
    assert cloud.percentile(np.array([0.0])).tolist() == [0.0]


def test_a_direction_without_spread_gives_finite_distances() -> None:
    rng = np.random.default_rng(3)
    train = np.c_[rng.normal(size=(100, 2)), np.zeros(100)]
    assert np.isfinite(Cloud.of(train, train).distance).all()


def test_the_worst_verdict_counts_and_the_unknown_ones_least() -> None:
    verdicts = np.array(
        [
            ["inside", "unknown", "inside"],
            ["inside", "unusual", "unknown"],
            ["outside", "unusual", "inside"],
            ["unknown", "unknown", "unknown"],
        ]
    )
    assert worst(verdicts).tolist() == ["inside", "unusual", "outside", "unknown"]
