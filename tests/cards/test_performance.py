from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from eccl.cards.performance import PARTITIONS, score_disease, score_traits
from eccl.evaluation.predictions import Truth
from eccl.evaluation.suppression import is_score_shown
from tests.support.tiny_workspace import FIRST_EID

COUNT = 240
FIELDS = (24100, 24101, 24102)


def make_truth(rng: np.random.Generator, prevalence: float = 0.3) -> tuple[Truth, np.ndarray]:
    """Visits of 200 participants, 40 of them with a second one, and the hidden number that label and traits follow."""
    eid = FIRST_EID + np.r_[np.arange(200), np.arange(40)]
    hidden = rng.normal(size=COUNT)
    label = (hidden + rng.normal(size=COUNT) > np.quantile(hidden, 1 - prevalence)).astype(float)
    label[:5] = np.nan
    traits = hidden[:, None] + rng.normal(size=(COUNT, len(FIELDS)))
    traits[rng.random((COUNT, len(FIELDS))) < 0.1] = np.nan
    visits = pl.DataFrame({"eid": eid, "instance": np.r_[np.full(200, 2), np.full(40, 3)]})
    fields = pl.DataFrame({"field_id": FIELDS, "title": ["a", "b", "c"], "short_name": ["a", "b", "c"]})
    return Truth("val", visits, {"I50": label}, fields, traits), hidden


def make_groups(rng: np.random.Generator, women: int) -> pl.DataFrame:
    sex = np.array(["women"] * women + ["men"] * (COUNT - women))
    return pl.DataFrame({"sex": sex, "age": rng.choice(["55 to 64", "65 to 74"], COUNT)})


def first_scored(truth: Truth, known: np.ndarray, column: list[str | None]) -> np.ndarray:
    """Group of every visit, by hand: that of its participant's first scored visit."""
    visits = list(zip(truth.eid.tolist(), truth.visits["instance"].to_list(), range(len(truth)), strict=True))
    first = {
        eid: min((one, place) for who, one, place in visits if who == eid and known[place])[1]
        for eid, _, place in visits
        if known[place]
    }
    return np.array([column[first[eid]] if eid in first else None for eid, *_ in visits], dtype=object)


def test_a_subgroup_is_scored_on_its_own_visits() -> None:
    rng = np.random.default_rng(1)
    truth, hidden = make_truth(rng)
    groups = make_groups(rng, 100)
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), groups)
    label = truth.labels["I50"]
    known = ~np.isnan(label)
    assert scores.metrics["auc"].value == pytest.approx(roc_auc_score(label[known], hidden[known]))
    assert (scores.visits, scores.people) == (known.sum(), len(np.unique(truth.eid[known])))
    for group in scores.groups:
        column, _ = PARTITIONS[group.partition]
        mine = known & (first_scored(truth, known, groups[column].to_list()) == group.name)
        if not mine.any():
            assert np.isnan(group.score.value)
            continue
        assert group.people == len(np.unique(truth.eid[mine]))
        assert group.cases == len(np.unique(truth.eid[mine & (label > 0.5)]))
        assert group.score.value == pytest.approx(roc_auc_score(label[mine], hidden[mine]))
        assert group.score.lower < group.score.value < group.score.upper
        assert not group.is_hidden


def test_every_score_of_a_disease_has_an_interval_around_it() -> None:
    rng = np.random.default_rng(2)
    truth, hidden = make_truth(rng)
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), make_groups(rng, 100))
    assert set(scores.metrics) >= {"auc", "average_precision", "brier", "calibration_slope", "ece"}
    for name, one in scores.metrics.items():
        assert one.lower < one.upper, name
        assert one.lower <= one.value <= one.upper or name == "ece"  # resampling adds to a distance from 0


def test_a_small_group_is_hidden_and_takes_another_with_it() -> None:
    rng = np.random.default_rng(3)
    truth, hidden = make_truth(rng)
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), make_groups(rng, 12))
    women, men = scores.groups[:2]
    assert 0 < women.people < 10  # twelve visits, five of them undecided
    assert women.is_hidden
    assert men.is_hidden  # the women's number could be computed from the total
    assert np.isnan(women.score.value)
    assert np.isnan(men.score.value)
    others = [group for group in scores.groups if group.partition != "sex" and group.people]
    assert all(not group.is_hidden for group in others)


def test_participants_of_unknown_sex_are_hidden_too() -> None:
    rng = np.random.default_rng(7)
    truth, hidden = make_truth(rng)
    groups = make_groups(rng, 100)
    unknown = pl.Series([i in range(32, 40) or i in range(232, 240) for i in range(COUNT)])  # eight people, both visits
    groups = groups.with_columns(pl.when(unknown).then(None).otherwise("sex").alias("sex"))
    women, men = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), groups).groups[:2]
    assert (women.is_hidden, men.is_hidden) == (True, False)  # women are fewer
    assert np.isnan(women.score.value)


@pytest.mark.parametrize("is_disease", [True, False])
def test_a_participant_of_two_ages_is_in_the_band_of_the_first_scored_visit(is_disease: bool) -> None:
    rng = np.random.default_rng(9)
    truth, hidden = make_truth(rng)
    truth.labels["I50"][:5] = (0, 1, 0, 1, 0)
    turned = np.arange(10)  # ten people of 64 at the first visit and 66 at the second, row 200 and on
    age = np.array(["55 to 64"] * 100 + ["65 to 74"] * 100 + ["65 to 74"] * 10 + ["55 to 64"] * 30)
    sex = np.array(["women"] * 100 + ["men"] * 100 + ["women"] * 40)
    groups = pl.DataFrame({"sex": sex, "age": age})
    if is_disease:
        scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), groups)
    else:
        truth.traits[:] = hidden[:, None] + rng.normal(size=truth.traits.shape)
        scores = score_traits(truth, np.repeat(hidden[:, None], 3, axis=1), groups)
    bands = {group.name: group for group in scores.groups if group.partition == "age at the first scored visit"}
    assert (bands["55 to 64"].people, bands["65 to 74"].people) == (100, 100)
    for (
        partition
    ) in PARTITIONS:  # each participant once: groups add up to the participants, and their cases to the cases
        mine = [group for group in scores.groups if group.partition == partition]
        assert sum(group.people for group in mine) == scores.people == 200
        if is_disease:
            assert sum(group.cases or 0 for group in mine) == scores.cases
    if is_disease:
        young = np.flatnonzero((truth.eid - FIRST_EID) < 100)
        assert set(turned + 200) < set(young.tolist())  # with both of their visits
        assert bands["55 to 64"].score.value == pytest.approx(roc_auc_score(truth.labels["I50"][young], hidden[young]))
        # Where the first visit has no label, the second is the first that is scored.
        truth.labels["I50"][turned] = np.nan
        scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), groups)
        bands = {group.name: group for group in scores.groups if group.partition == "age at the first scored visit"}
        assert (bands["55 to 64"].people, bands["65 to 74"].people) == (90, 110)


def test_a_participant_with_the_disease_at_one_scored_visit_is_a_case() -> None:
    rng = np.random.default_rng(10)
    truth, hidden = make_truth(rng)
    truth.labels["I50"][:] = 0.0
    truth.labels["I50"][200:220] = 1.0  # diagnosed between two visits
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), make_groups(rng, 100))
    assert (scores.people, scores.cases, scores.others) == (200, 20, 180)


def test_a_disease_of_which_no_label_is_known_has_no_scores() -> None:
    rng = np.random.default_rng(11)
    truth, hidden = make_truth(rng)
    truth.labels["I50"][:] = np.nan
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), make_groups(rng, 100))
    assert (scores.people, scores.cases) == (0, 0)
    assert all(np.isnan(one.score.value) for one in scores.groups)


@pytest.mark.parametrize(
    ("groups", "is_shown"),
    [((10,), True), ((9,), False), ((10, 10), True), ((500, 9), False), ((9, 500), False), ((0, 500), False)],
)
def test_a_score_needs_ten_people_in_every_group(groups: tuple[int, ...], is_shown: bool) -> None:
    assert is_score_shown(*groups) is is_shown


def test_few_cases_hide_their_number_and_the_score() -> None:
    rng = np.random.default_rng(4)
    truth, hidden = make_truth(rng, prevalence=0.02)
    label = truth.labels["I50"]
    label[:] = 0.0
    label[:25] = 1.0  # all among the women, so men have none
    label[230:] = 1.0
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), make_groups(rng, 30))
    women, men = scores.groups[:2]
    assert (women.people, women.cases) == (30, 25)
    assert women.are_cases_hidden  # five women without
    assert np.isnan(women.score.value)
    assert men.are_cases_hidden
    assert not men.is_hidden


@pytest.mark.parametrize(("cases", "is_shown"), [(9, False), (10, True), (190, True), (191, False)])
def test_a_disease_of_few_cases_or_few_others_is_not_scored(cases: int, is_shown: bool) -> None:
    rng = np.random.default_rng(8)
    truth, hidden = make_truth(rng)
    truth.labels["I50"][:] = np.nan
    truth.labels["I50"][:200] = np.arange(200) < cases  # one visit each
    scores = score_disease(truth, "I50", hidden, 1 / (1 + np.exp(-hidden)), make_groups(rng, 100))
    assert (scores.cases, scores.others) == (cases, 200 - cases)
    assert {bool(np.isfinite(one.value)) for one in scores.metrics.values()} == {is_shown}


def test_traits_are_scored_by_the_mean_over_traits() -> None:
    rng = np.random.default_rng(5)
    truth, hidden = make_truth(rng)
    predicted = np.stack([hidden, -hidden, np.full(COUNT, np.nan)], axis=1)
    scores = score_traits(truth, predicted, make_groups(rng, 100))
    r = []
    for i in range(2):
        known = ~np.isnan(truth.traits[:, i])
        r.append(np.corrcoef(truth.traits[known, i], predicted[known, i])[0, 1])
        one, error = scores.traits[FIELDS[i]]
        assert one.value == pytest.approx(r[i])
        assert one.lower < one.value < one.upper
        assert error == pytest.approx(np.abs(truth.traits[known, i] - predicted[known, i]).mean())
    assert FIELDS[2] not in scores.traits  # not learned
    assert scores.metrics["mean_r"].value == pytest.approx(np.mean(r))
    assert scores.cases is None


def test_a_trait_of_nine_people_is_not_scored() -> None:
    rng = np.random.default_rng(6)
    truth, hidden = make_truth(rng)
    truth.traits[50:59, 0] = 1.0 + np.arange(9)
    truth.traits[:50, 0] = np.nan
    truth.traits[59:, 0] = np.nan
    scores = score_traits(truth, np.repeat(hidden[:, None], 3, axis=1), make_groups(rng, 100))
    assert np.isnan(scores.traits[FIELDS[0]][0].value)
    assert np.isfinite(scores.traits[FIELDS[1]][0].value)
