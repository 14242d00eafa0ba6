"""Jobs of the experiment table: each once, parents first."""

from __future__ import annotations

from collections import Counter

import pytest

from eccl.errors import ConfigError
from eccl.study.arms import ArmTable, load_arms
from eccl.study.jobs import list_jobs, scored_run
from eccl.workspace import shipped


@pytest.fixture(scope="module")
def table() -> ArmTable:
    return load_arms(shipped("experiments") / "arms.yaml")


def test_every_run_is_there_once_and_after_its_parents(table: ArmTable) -> None:
    jobs = list_jobs(table)
    runs = [job.run for job in jobs]
    assert max(Counter(runs).values()) == 1
    place = {run: number for number, run in enumerate(runs)}
    for job in jobs:
        assert all(place[parent] < place[job.run] for parent in job.parents.values())


def test_every_arm_is_scored_by_one_of_the_jobs(table: ArmTable) -> None:
    runs = {job.run for job in list_jobs(table)}
    wanted = {scored_run(arm, task, seed) for arm in table.arms.values() for task in arm.tasks for seed in table.seeds}
    assert wanted <= runs
    # Every other run is a pre-training.
    assert all(job.variant in table.pretraining[job.stage] for job in list_jobs(table) if job.run not in wanted)


def test_the_paper_has_285_runs(table: ArmTable) -> None:
    # Eight arms of stage align with five tasks and seeds, three CMR encoders for five tasks, two pre-trainings.
    assert len(list_jobs(table, groups=["table"])) == 5 * (8 * 5 + 3 * 5 + 2)


@pytest.mark.parametrize(
    ("run", "parents"),
    [
        ("align-I21.triplet.s43", ("pretrain_ecg.mae.s43", "pretrain_cmr-I21.swin.s43")),
        ("align-I21.cmae.s43", ("pretrain_cmae.cmae.s43",)),
        ("align-traits.neither.s43", ()),
        ("align-all.multitask.s43", ("pretrain_ecg.mae.s43", "pretrain_cmr-all.swin.s43")),
        ("probe-I21.probe.s43", ("align-traits.eccl.s43",)),
        ("pretrain_cmr-I21.swin.s43", ()),
    ],
)
def test_parents(table: ArmTable, run: str, parents: tuple[str, ...]) -> None:
    [job] = [job for job in list_jobs(table) if job.run == run]
    assert tuple(job.parents.values()) == parents


def test_a_choice_includes_its_parents(table: ArmTable) -> None:
    chosen = list_jobs(table, arms=["probe"], tasks=["I21"], seeds=[43])
    assert [job.run for job in chosen] == [
        "pretrain_ecg.mae.s43",
        "pretrain_cmr-traits.swin.s43",
        "align-traits.eccl.s43",
        "probe-I21.probe.s43",
    ]


def test_an_arm_that_only_scores_a_pretraining_has_its_runs(table: ArmTable) -> None:
    assert scored_run(table.arms["cmr_sup"], "I21", 42) == "pretrain_cmr-I21.swin.s42"
    assert [job.run for job in list_jobs(table, arms=["cmr_sup"], tasks=["I21"], seeds=[42])] == [
        "pretrain_cmr-I21.swin.s42"
    ]


def test_a_pretraining_can_be_chosen_alone(table: ArmTable) -> None:
    assert [job.run for job in list_jobs(table, arms=["mae"], seeds=[43])] == ["pretrain_ecg.mae.s43"]
    assert [job.run for job in list_jobs(table, arms=["swin"], tasks=["all"], seeds=[43])] == [
        "pretrain_cmr-all.swin.s43"
    ]


def test_seeds_come_one_after_another(table: ArmTable) -> None:
    seeds = [job.seed for job in list_jobs(table, seeds=[44, 43])]
    assert seeds == sorted(seeds)
    assert set(seeds) == {43, 44}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"arms": ["tripplet"]}, "no tripplet; it has .*triplet"),
        ({"groups": ["tables"]}, "no tables"),
        ({"tasks": ["I22"]}, "no I22"),
        ({"seeds": [7]}, "no 7; it has 42"),
        ({"arms": ["multitask"], "tasks": ["I21"]}, "no chosen arm"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(table: ArmTable, choice: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list_jobs(table, **choice)
