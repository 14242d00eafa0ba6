"""The paired bootstrap: resampled scores against a plain loop, participants against visits, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind
from scipy.stats import t as student_t

from eccl.evaluation.bootstrap import (
    SeedSpread,
    difference_p,
    draw_resamples,
    interval,
    mean_over_seeds,
    pool_seeds,
    resampled_auc,
    resampled_mean_r,
)
from eccl.models.scores import mean_defined, pearson_per_trait, roc_auc


def visits_of(eid: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Visits of one resample, each as often as its participant was drawn."""
    _, person = np.unique(eid, return_inverse=True)
    return np.repeat(np.arange(len(eid)), counts[person])


def test_resamples_hold_as_many_participants_each_with_all_visits() -> None:
    eid = np.array([5, 5, 5, 7, 9, 9])
    drawn = draw_resamples(eid, 300)
    assert (drawn.counts.sum(axis=1) == 3).all()
    weight = np.concatenate(list(drawn.weights(np.arange(6))))
    assert weight.shape == (300, 6)
    assert (weight[:, 0] == weight[:, 1]).all()
    assert (weight[:, 4] == weight[:, 5]).all()
    assert (weight[:, [0, 3, 4]] == drawn.counts).all()
    assert weight.mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)
    assert (draw_resamples(eid, 300).counts == drawn.counts).all()


def test_resampled_scores_equal_a_loop_over_the_resamples() -> None:
    rng = np.random.default_rng(1)
    eid = rng.integers(0, 40, 70)
    label = np.where(rng.random(70) < 0.1, np.nan, rng.random(70) < 0.3)
    score = np.round(rng.normal(size=70) + np.nan_to_num(label), 1)  # some are tied
    target = rng.normal(100, 5, (70, 4))
    target[rng.random(target.shape) < 0.2] = np.nan
    predicted = np.nan_to_num(target, nan=100.0) * 0.2 + rng.normal(size=target.shape)
    predicted[:, 3] = 0.1  # constant: R is not defined
    drawn = draw_resamples(eid, 260)  # more than one chunk
    aucs, means = resampled_auc(drawn, label, score), resampled_mean_r(drawn, target, predicted)
    assert len(aucs) == len(means) == 260
    for number in (0, 1, 99, 249, 250, 259):
        rows = visits_of(eid, drawn.counts[number])
        assert aucs[number] == pytest.approx(roc_auc(label[rows], score[rows]), abs=1e-12)
        expected = mean_defined(pearson_per_trait(target[rows], predicted[rows]))
        assert means[number] == pytest.approx(expected, abs=1e-10)


def test_a_resample_without_a_case_has_no_auc_and_is_not_counted() -> None:
    label = np.zeros(12)
    label[0] = 1
    found = resampled_auc(draw_resamples(np.arange(12), 400), label, np.arange(12.0))
    assert 0.25 < np.isnan(found).mean() < 0.5  # (11/12)^12 = 0.35
    assert interval(found).resamples == np.count_nonzero(~np.isnan(found))
    nothing = interval(resampled_auc(draw_resamples(np.arange(12), 50), np.zeros(12), np.arange(12.0)))
    assert np.isnan(nothing.lower)
    assert nothing.resamples == 0


def test_a_missing_prediction_leaves_no_interval() -> None:
    score = np.arange(10.0)
    score[4] = np.nan
    assert np.isnan(resampled_auc(draw_resamples(np.arange(10), 20), np.arange(10) % 2.0, score)).all()


def test_twice_the_visits_of_the_same_people_tell_nothing_new() -> None:
    rng = np.random.default_rng(2)
    label, eid = (rng.random(60) < 0.4).astype(float), np.arange(60)
    score = label + rng.normal(size=60)
    once = resampled_auc(draw_resamples(eid, 200), label, score)
    twice = resampled_auc(draw_resamples(np.repeat(eid, 2), 200), np.repeat(label, 2), np.repeat(score, 2))
    assert twice == pytest.approx(once, abs=1e-12)
    as_if_strangers = resampled_auc(draw_resamples(np.arange(120), 200), np.repeat(label, 2), np.repeat(score, 2))
    assert np.nanstd(as_if_strangers) < 0.85 * np.nanstd(twice)  # visits for people: too sure by a root of two


def test_pairing_takes_out_what_two_arms_share() -> None:
    rng = np.random.default_rng(3)
    label = (rng.random(300) < 0.3).astype(float)
    shared = label + rng.normal(size=300)
    arms = [shared + 0.1 * rng.normal(size=300) for _ in range(2)]
    drawn = draw_resamples(np.arange(300), 500)
    first, second = (resampled_auc(drawn, label, arm) for arm in arms)
    elsewhere = resampled_auc(draw_resamples(np.arange(300), 500, seed=9), label, arms[1])
    assert np.std(first - second) < 0.3 * np.std(first - elsewhere)
    assert (resampled_auc(drawn, label, arms[0]) - first == 0).all()


def test_seeds_are_averaged_within_a_resample() -> None:
    values = [np.array([0.5, 0.7, np.nan]), np.array([0.7, 0.9, 0.8])]
    found = mean_over_seeds(values)
    assert found[:2] == pytest.approx([0.6, 0.8])
    assert np.isnan(found[2])  # a mean over one of two seeds is another statistic


def test_seeds_are_pooled_over_arms() -> None:
    spread = pool_seeds([[0.5, 0.7], [0.6], [0.4, 0.5, 0.6], []])
    assert spread == SeedSpread(pytest.approx((0.02 + 0.02) / 3), 3)  # type: ignore[arg-type]
    assert np.isnan(pool_seeds([[0.5], [0.6]]).variance)


def test_p_is_students_where_only_one_of_the_two_varies() -> None:
    first, second = np.array([0.73, 0.78, 0.72, 0.75]), np.array([0.70, 0.69, 0.74, 0.66])
    difference = first.mean() - second.mean()
    seeds_alone = difference_p(np.full(99, difference), difference, 60, 4, pool_seeds([first, second]))
    assert seeds_alone == pytest.approx(ttest_ind(first, second).pvalue)
    resampled = 0.05 + 0.02 * np.random.default_rng(4).normal(size=5000)
    people_alone = difference_p(resampled, 0.05, 60, 3, SeedSpread(0.0, 4))
    assert people_alone == pytest.approx(2 * student_t.sf(0.05 / resampled.std(ddof=1), 59))
    both = difference_p(resampled, 0.05, 60, 3, SeedSpread(0.03**2, 4))
    assert both > people_alone
    assert difference_p(resampled, 0.05, 60, 1, SeedSpread(0.03**2, 4)) > both  # fewer seeds, less sure


def test_where_no_arm_has_two_seeds_nothing_is_said_of_another_training() -> None:
    assert np.isnan(difference_p(np.linspace(0.01, 0.02, 99), 0.015, 60, 1, pool_seeds([[0.5], [0.6]])))
    assert np.isnan(difference_p(np.full(99, np.nan), 0.1, 60, 2, SeedSpread(0.01, 2)))
    assert np.isnan(difference_p(np.zeros(99), 0.0, 60, 2, SeedSpread(0.0, 2)))  # equal networks: nothing varies


def false_alarms(arms: int, seeds: int, trials: int = 300, people: int = 80) -> tuple[float, float]:
    """Shares of trials in which two of some arms of equal worth differ by p < 0.05, and by an interval that leaves out 0.

    Every training has a skill of its own, around the same mean in every arm.
    """
    rng = np.random.default_rng(6)
    by_p = by_interval = 0
    for trial in range(trials):
        label = (rng.random(people) < 0.4).astype(float)
        drawn = draw_resamples(np.arange(people), 200, seed=trial)
        scores = label + rng.normal(size=people) + 0.8 * rng.normal(size=(arms, seeds, people))
        scores += 0.5 * rng.normal(size=(arms, seeds, 1)) * label
        aucs = np.array([[roc_auc(label, one) for one in arm] for arm in scores])
        first, second = (mean_over_seeds([resampled_auc(drawn, label, one) for one in arm]) for arm in scores[:2])
        difference = aucs[0].mean() - aucs[1].mean()
        by_p += difference_p(first - second, difference, people, seeds, pool_seeds(aucs)) < 0.05
        found = interval(first - second)
        by_interval += not found.lower <= 0 <= found.upper
    return by_p / trials, by_interval / trials


@pytest.mark.parametrize(("arms", "seeds"), [(2, 3), (8, 2)])
def test_equal_arms_differ_no_more_often_than_p_says(arms: int, seeds: int) -> None:
    by_p, by_interval = false_alarms(arms, seeds)
    assert 0.01 <= by_p <= 0.09  # 300 trials: 0.05 gives more or less than that in two of a thousand series
    assert by_interval > 0.2  # the participants alone call networks different, which they are, not arms


def coverage(people: int, visits: int, trials: int, resamples: int) -> float:
    """How often a 95 % interval of a difference of two AUCs holds the true one.

    Cases differ from controls by `effect` standard deviations, so that the true AUC is known. Visits of a participant share
    all but a little of their scores.
    """
    rng = np.random.default_rng(4)
    effects = (1.0, 0.6)
    truth = norm.cdf(effects[0] / np.sqrt(2)) - norm.cdf(effects[1] / np.sqrt(2))
    hits = 0
    for trial in range(trials):
        eid = np.repeat(np.arange(people), visits)
        label = np.repeat((rng.random(people) < 0.4).astype(float), visits)
        common = np.repeat(rng.normal(size=people), visits)
        drawn = draw_resamples(eid, resamples, seed=trial)
        scores = []
        for effect in effects:
            own = np.repeat(rng.normal(size=people), visits)
            noise = np.sqrt(0.45) * common + np.sqrt(0.45) * own + np.sqrt(0.1) * rng.normal(size=len(eid))
            scores.append(resampled_auc(drawn, label, effect * label + noise))
        found = interval(scores[0] - scores[1])
        hits += found.lower <= truth <= found.upper
    return hits / trials


def test_intervals_hold_the_known_difference_as_often_as_they_say() -> None:
    # 400 trials: a true coverage of 0.95 gives 0.92 to 0.98 in all but two of a thousand series.
    assert 0.92 <= coverage(people=120, visits=2, trials=400, resamples=400) <= 0.98


def test_intervals_of_mean_r_hold_the_known_one() -> None:
    rng = np.random.default_rng(5)
    rho, hits, trials = 0.5, 0, 200
    for trial in range(trials):
        target = rng.normal(size=(150, 3))
        predicted = rho * target + np.sqrt(1 - rho**2) * rng.normal(size=(150, 3))
        found = interval(resampled_mean_r(draw_resamples(np.arange(150), 400, seed=trial), target, predicted))
        hits += found.lower <= rho <= found.upper
    assert 0.90 <= hits / trials <= 0.99
