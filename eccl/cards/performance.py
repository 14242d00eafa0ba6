"""Scores of one run on one split, with bootstrap intervals over participants, overall and by subgroup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eccl.data.parts import read_table, table_files
from eccl.evaluation.bootstrap import draw_resamples, interval, resampled_auc, resampled_mean_r
from eccl.evaluation.metrics import score_logits, score_trait
from eccl.evaluation.predictions import Truth
from eccl.evaluation.suppression import hide_small, is_score_shown
from eccl.models.scores import mean_defined, pearson_per_trait, roc_auc
from eccl.workspace import Workspace

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 1000
FITTED_RESAMPLES = 300
"""For scores that need a fit in every resample."""
AGE_BANDS = ((0, 55, "under 55"), (55, 65, "55 to 64"), (65, 75, "65 to 74"), (75, 200, "75 and over"))
SEXES = (("F", "women"), ("M", "men"))
PARTITIONS = {
    "sex": ("sex", [name for _, name in SEXES]),
    "age at the first scored visit": ("age", [name for *_, name in AGE_BANDS]),
}
"""Partition -> column of :func:`read_groups`, and the groups in it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and its 95 % interval; NaN where it is not defined."""

    value: float
    lower: float = float("nan")
    upper: float = float("nan")


@dataclass(frozen=True, slots=True)
class Group:
    """The main score of some participants.

    Parameters
    ----------
    partition, name
        Key of ``PARTITIONS``, and the group within it. A participant is in one group, that of the first scored visit.
    people, cases
        Participants, and those of them with the disease at a scored visit; None for traits.
    score
        Of all scored visits of these participants.
    is_hidden, are_cases_hidden
        Whether the counts may not be printed; a score of a hidden group is NaN.
    """

    partition: str
    name: str
    people: int
    cases: int | None
    is_hidden: bool
    are_cases_hidden: bool
    score: Estimate


@dataclass(frozen=True, slots=True)
class Scores:
    """One target of a run on one split.

    Parameters
    ----------
    target
        ``traits`` or a disease code.
    people, visits, cases
        Participants and visits scored, and participants with the disease at one of these visits; None for traits.
    metrics
        Name -> score; the first is the main one. NaN if people, cases or others are too few to be shown.
    traits
        Field -> R and mean absolute error.
    """

    target: str
    split: str
    people: int
    visits: int
    cases: int | None
    metrics: Mapping[str, Estimate]
    groups: tuple[Group, ...]
    traits: Mapping[int, tuple[Estimate, float]] = field(default_factory=dict)

    @property
    def others(self) -> int | None:
        """Participants without the disease at any scored visit; None for traits."""
        return None if self.cases is None else self.people - self.cases


def score_disease(truth: Truth, code: str, logit: Float, probability: Float, groups: pl.DataFrame) -> Scores:
    """Score a disease's predictions: (visits,) in the order of `truth`.

    Parameters
    ----------
    groups
        See :func:`read_groups`.
    """
    label, eid = truth.labels[code], truth.eid
    known = np.flatnonzero(~np.isnan(label) & ~np.isnan(logit))
    again = _disease_resamples(eid[known], label[known], logit[known], probability[known])
    found = score_logits(label[known], logit[known], probability[known])
    people, cases = _people(eid[known]), _people(eid[known][_is_case(label[known])])
    is_shown = is_score_shown(cases, people - cases)
    metrics = {name: _estimate(value if is_shown else float("nan"), again[name]) for name, value in found.items()}

    def main(some: Ints) -> Estimate:
        drawn = draw_resamples(eid[some], RESAMPLES)
        return _estimate(roc_auc(label[some], logit[some]), resampled_auc(drawn, label[some], logit[some]))

    by_group = _score_groups(truth, known, label, groups, main)
    return Scores(code, truth.split, people, len(known), cases, metrics, by_group)


def score_traits(truth: Truth, predicted: Float, groups: pl.DataFrame) -> Scores:
    """Score predicted traits: (visits, traits) in the order of `truth`; NaN where a trait was not learned."""
    is_known = ~(np.isnan(truth.traits) | np.isnan(predicted))
    known, eid = np.flatnonzero(is_known.any(axis=1)), truth.eid

    def main(some: Ints) -> Estimate:
        drawn = draw_resamples(eid[some], RESAMPLES)
        value = mean_defined(pearson_per_trait(truth.traits[some], predicted[some]))
        return _estimate(value, resampled_mean_r(drawn, truth.traits[some], predicted[some]))

    drawn = draw_resamples(eid[known], RESAMPLES)
    traits = {}
    for i, field_id in enumerate(truth.fields["field_id"].to_list()):
        y, x = truth.traits[known, i], predicted[known, i]
        if np.isnan(x).all():
            continue
        if not is_score_shown(_people(eid[known][~np.isnan(y)])):
            traits[int(field_id)] = (Estimate(float("nan")), float("nan"))
            continue
        found = score_trait(y, x)
        again = resampled_mean_r(drawn, y[:, None], x[:, None])
        traits[int(field_id)] = (_estimate(found["r"], again), found["mae"])
    by_group = _score_groups(truth, known, None, groups, main)
    people = _people(eid[known])
    metrics = {"mean_r": main(known) if is_score_shown(people) else Estimate(float("nan"))}
    return Scores("traits", truth.split, people, len(known), None, metrics, by_group, traits)


def read_groups(workspace: Workspace, truth: Truth) -> pl.DataFrame:
    """`sex` and `age` band of every visit of `truth`, in its order; null where they are not known."""
    found = truth.visits.select("eid", "instance").with_columns(
        pl.lit(None, pl.String).alias("sex"), pl.lit(None, pl.Float64).alias("age_years")
    )
    if table_files(workspace.data, "participants"):
        people = pl.DataFrame(read_table(workspace.data, "participants", ["eid", "sex"]))
        found = found.drop("sex").join(people, on="eid", how="left", maintain_order="left")
    if table_files(workspace.data, "visits"):
        visits = pl.DataFrame(read_table(workspace.data, "visits", ["eid", "instance", "age_years"]))
        found = found.drop("age_years").join(visits, on=["eid", "instance"], how="left", maintain_order="left")
    age = pl.col("age_years")
    return found.select(
        pl.col("sex").replace_strict(dict(SEXES), default=None, return_dtype=pl.String).alias("sex"),
        pl.coalesce(
            pl.when((age >= lower) & (age < upper)).then(pl.lit(name)) for lower, upper, name in AGE_BANDS
        ).alias("age"),
    )


def _score_groups(
    truth: Truth, known: Ints, label: Float | None, groups: pl.DataFrame, main: Callable[[Ints], Estimate]
) -> tuple[Group, ...]:
    """Main score of every group; `known` are the positions of the visits that are scored."""
    of_person = _by_first_visit(truth, known, groups)
    found: list[Group] = []
    for partition, (column, names) in PARTITIONS.items():
        mine = of_person[column].to_list()
        members = {name: known[[one == name for one in mine]] for name in names}
        # The count of those in none of the groups could be computed from the total.
        rest = known[[one is None for one in mine]]
        found += _score_partition(partition, members, rest, truth.eid, label, main)
    return tuple(found)


def _by_first_visit(truth: Truth, known: Ints, groups: pl.DataFrame) -> pl.DataFrame:
    """Groups of the visits at `known`, in this order: for each, those of its participant's first visit among them.

    Intervals resample participants and counts are of participants, so each is in one group, with all visits. By the age at
    every visit, a participant with visits at 54 and at 57 would be in two.
    """
    visits = pl.concat([truth.visits.select("eid", "instance"), groups], how="horizontal")[known]
    columns = [column for column, _ in PARTITIONS.values()]
    return visits.select(pl.col(columns).sort_by("instance").first().over("eid"))


def _score_partition(
    partition: str,
    members: Mapping[str, Ints],
    rest: Ints,
    eid: Ints,
    label: Float | None,
    main: Callable[[Ints], Estimate],
) -> list[Group]:
    """Groups of one partition; the last count in each list is that of `rest`, which is not shown."""
    every = [*members.values(), rest]
    people = [_people(eid[some]) for some in every]
    hidden = hide_small(people)
    cases = None if label is None else [_people(eid[some][_is_case(label[some])]) for some in every]
    cases_hidden = hidden
    if cases is not None:
        others = [all_of - some for all_of, some in zip(people, cases, strict=True)]
        by_count = zip(hidden, hide_small(cases), hide_small(others), strict=True)
        cases_hidden = [any(flags) for flags in by_count]
    found = []
    for i, (name, some) in enumerate(members.items()):
        sizes = [people[i]] if cases is None else [cases[i], people[i] - cases[i]]
        is_shown = not hidden[i] and not cases_hidden[i] and is_score_shown(*sizes)
        score = main(some) if is_shown else Estimate(float("nan"))
        count = None if cases is None else cases[i]
        found.append(Group(partition, name, people[i], count, hidden[i], cases_hidden[i], score))
    return found


def _is_case(label: Float) -> NDArray[np.bool_]:
    return label > 0.5


def _disease_resamples(eid: Ints, label: Float, logit: Float, probability: Float) -> dict[str, Float]:
    """Every score of a disease in every resample: name -> (resamples,)."""
    drawn = draw_resamples(eid, FITTED_RESAMPLES)
    rows = []
    for counts in drawn.counts:
        chosen = np.repeat(np.arange(len(eid)), counts[drawn.person])
        rows.append(score_logits(label[chosen], logit[chosen], probability[chosen]))
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {**found, "auc": resampled_auc(draw_resamples(eid, RESAMPLES), label, logit)}


def _estimate(value: float, resampled: Float) -> Estimate:
    if np.isnan(value):
        return Estimate(value)
    bounds = interval(resampled)
    return Estimate(value, bounds.lower, bounds.upper)


def _people(eid: Ints) -> int:
    return len(np.unique(eid))
