from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from eccl.inference.calibration import Platt
from eccl.inference.distribution import (
    FEWEST_RECORDINGS,
    OUTSIDE_P,
    UNUSUAL_P,
    Cloud,
    Range,
    combine,
    fewest_for,
    judge,
    p_values,
)


def test_p_is_the_share_of_validation_recordings_as_far_away_with_the_new_one_among_them() -> None:
    known = np.array([1.0, 2.0, 2.0, np.inf])
    assert p_values(known, np.array([0.0, 1.0, 2.0, 2.5, 9.0, np.inf])).tolist() == [1.0, 1.0, 0.8, 0.4, 0.4, 0.4]


def test_a_measure_is_far_in_units_of_the_training_percentile_on_its_side() -> None:
    train = np.r_[np.linspace(-1.0, 0.0, 501), np.linspace(0.0, 10.0, 501)[1:]]
    one = Range.of("noise", train, train)
    assert (one.least, one.median, one.most) == (-1.0, 0.0, 10.0)
    np.testing.assert_allclose(one.measure_from(np.array([one.percentile_1, one.percentile_99, 0.0])), [1.0, 1.0, 0.0])
    assert one.measure_from(np.array([2 * one.percentile_99, np.nan])).tolist() == [2.0, np.inf]


def test_a_value_that_no_training_recording_has_is_as_rare_as_validation_says() -> None:
    train = np.zeros(50)
    assert Range.of("flat_leads", train, np.zeros(99)).p(np.array([0.0, 1.0])).tolist() == [1.0, 0.01]
    assert Range.of("flat_leads", train, np.r_[np.zeros(89), np.ones(10)]).p(np.array([1.0])).tolist() == [0.11]


def test_verdicts_follow_from_p_and_from_the_recordings_behind_it() -> None:
    p = np.array([0.5, 0.0501, 0.05, 0.0101, 0.01, 0.001])
    assert judge(p, 1000).tolist() == ["inside"] * 2 + ["unusual"] * 2 + ["outside"] * 2
    assert judge(p, FEWEST_RECORDINGS - 1).tolist() == ["unknown"] * 6
    assert (fewest_for(UNUSUAL_P), fewest_for(OUTSIDE_P), fewest_for(OUTSIDE_P, 11)) == (19, 99, 1099)
    # Of eleven comparisons with 218 recordings the smallest p is 11/219 > 0.05: nothing could be anything but inside.
    assert judge(np.array([11 / 219]), 218, 11).tolist() == ["unknown"]
    assert judge(np.array([1.0, 11 / 220]), 219, 11).tolist() == ["inside", "unusual"]


@pytest.mark.parametrize(("count", "verdict"), [(19, "unknown"), (20, "unusual"), (98, "unusual"), (99, "outside")])
def test_outside_needs_99_recordings(count: int, verdict: str) -> None:
    rng = np.random.default_rng(0)
    one = Range.of("noise", rng.normal(size=300), rng.normal(size=count))
    assert judge(one.p(np.array([1e9])), count).tolist() == [verdict]


def test_few_training_recordings_give_no_p() -> None:
    for train in (np.r_[np.arange(FEWEST_RECORDINGS - 1.0), np.nan], np.empty(0)):
        one = Range.of("noise", train, np.zeros(100))
        assert len(one.distance) == 0
        assert np.isnan(one.p(np.array([1e9]))).all()


def test_several_comparisons_are_corrected_for_their_number() -> None:
    np.testing.assert_allclose(combine(np.array([[0.01, 0.5, 0.2], [0.6, 0.5, 0.9]])), [0.03, 1.0])


def draw(rng: np.random.Generator, kind: int, count: int) -> np.ndarray:
    """Measures as they are: skewed, heavy-tailed, and whole numbers that are nearly always 0."""
    found = (rng.lognormal(size=count), rng.standard_t(3, size=count), rng.poisson(0.05, size=count))[kind % 3]
    return np.asarray(found, dtype=np.float64)


@pytest.mark.parametrize(("train", "val"), [(300, 100), (300, 250), (600, 1200)])
def test_false_alarms_are_as_rare_as_promised(train: int, val: int) -> None:
    """Six measures and five embeddings of one distribution, new recordings from it too, cohort after cohort."""
    rng = np.random.default_rng([train, val])
    verdicts = []
    for _ in range(25):
        compared = []
        for kind in range(6):
            one = Range.of("measure", draw(rng, kind, train), draw(rng, kind, val))
            compared.append(one.p(draw(rng, kind, 200)))
        for _ in range(5):
            cloud = Cloud.of(rng.normal(size=(train, 4)), rng.normal(size=(val, 4)))
            compared.append(cloud.p(cloud.measure(rng.normal(size=(200, 4)))))
        verdicts.append(judge(combine(np.stack(compared, axis=1)), val, len(compared)))
    found = np.concatenate(verdicts)
    assert (found == "outside").mean() <= 0.015
    assert np.isin(found, ["outside", "unusual"]).mean() <= 0.06
    assert (found == "unknown").all() == (val < fewest_for(UNUSUAL_P, 11))
    if val >= fewest_for(OUTSIDE_P, 11):
        assert (found == "outside").any()  # it does occur


@pytest.mark.parametrize("count", [10, 300])  # fewer recordings than dimensions, and more
def test_distances_are_those_of_mahalanobis_under_the_shrunk_covariance(count: int) -> None:
    rng = np.random.default_rng(1)
    train = rng.normal(size=(count, 24)) * np.linspace(0.1, 30, 24)
    new = rng.normal(size=(5, 24)) * 10
    fitted = LedoitWolf().fit(train)
    expected = [mahalanobis(one, fitted.location_, np.linalg.inv(fitted.covariance_)) for one in new]
    np.testing.assert_allclose(Cloud.of(train, new).measure(new), expected, rtol=1e-6)


def test_embeddings_like_those_of_validation_are_inside_and_others_are_not() -> None:
    rng = np.random.default_rng(2)
    cloud = Cloud.of(rng.normal(size=(2000, 8)), rng.normal(size=(2000, 8)))
    verdicts = judge(cloud.p(cloud.measure(rng.normal(size=(4000, 8)))), 2000)
    assert (verdicts == "inside").mean() == pytest.approx(0.95, abs=0.02)
    assert (verdicts == "outside").mean() == pytest.approx(0.01, abs=0.01)
    far = cloud.measure(rng.normal(size=(10, 8)) + 5)
    assert (judge(cloud.p(far), 2000) == "outside").all()
    assert (cloud.percentile(far) == 100).all()
    assert cloud.percentile(np.array([0.0])).tolist() == [0.0]


def test_a_recording_is_as_far_away_alone_as_among_others() -> None:
    rng = np.random.default_rng(4)
    new = rng.normal(size=(50, 96))
    cloud = Cloud.of(rng.normal(size=(200, 96)), new)
    together = cloud.measure(new)
    assert [float(cloud.measure(new[i : i + 1])[0]) for i in range(50)] == together.tolist()
    curve = Platt(0.3, -1.7, np.array([[0.2, 0.03], [0.03, 0.5]]))
    alone = [[float(one[0]) for one in curve.apply(new[i, :1])] for i in range(50)]
    assert alone == np.stack(curve.apply(new[:, 0]), axis=1).tolist()


def test_a_direction_without_spread_gives_finite_distances() -> None:
    rng = np.random.default_rng(3)
    train = np.c_[rng.normal(size=(100, 2)), np.zeros(100)]
    assert np.isfinite(Cloud.of(train, train).distance).all()
