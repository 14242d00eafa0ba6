"""The remaining time is the time of similar finished jobs; jobs are summed up by pre-training and arm."""

from __future__ import annotations

from pathlib import Path

from eccl.study.arms import load_arms
from eccl.study.jobs import Job, list_jobs
from eccl.study.plan import Durations, summarise
from eccl.workspace import shipped


def job(stage: str, task: str | None, variant: str, seed: int = 42) -> Job:
    return Job(stage, task, variant, seed, f"{stage}-{task}.{variant}.s{seed}", {})


def test_the_most_similar_jobs_are_taken(tmp_path: Path) -> None:
    times = Durations(tmp_path / "times.json", "small")
    assert times.expect(job("align", "I21", "eccl")) is None
    assert times.remaining([job("align", "I21", "eccl")]) is None
    assert times.remaining([]) == 0
    times.add(job("pretrain_ecg", None, "mae"), 10)
    assert times.expect(job("align", "I21", "eccl")) == 10  # any job
    times.add(job("align", "traits", "eccl"), 20)
    assert times.expect(job("align", "I21", "eccl")) == 20  # the same stage
    times.add(job("align", "I42", "triplet"), 40)
    assert times.expect(job("align", "I21", "eccl")) == 40  # and a disease, too
    times.add(job("align", "I48", "eccl"), 60)
    assert times.expect(job("align", "I21", "eccl", 44)) == 60  # and the same arm, too
    assert times.remaining([job("align", "I21", "eccl"), job("pretrain_ecg", None, "mae")], spent=15) == 60 - 15 + 10
    assert times.remaining([job("align", "I21", "eccl")], spent=99) == 0


def test_times_are_kept_by_preset_and_the_latest_count(tmp_path: Path) -> None:
    times = Durations(tmp_path / "times.json", "small")
    for seconds in (1000, 1, 2, 3, 4, 5):
        times.add(job("align", "I21", "eccl"), seconds)
    assert Durations(tmp_path / "times.json", "small").expect(job("align", "I21", "eccl")) == 3
    assert Durations(tmp_path / "times.json", "paper").expect(job("align", "I21", "eccl")) is None


def test_a_damaged_file_costs_the_estimate_only(tmp_path: Path) -> None:
    (tmp_path / "times.json").write_text("{")
    times = Durations(tmp_path / "times.json", "small")
    times.add(job("align", "I21", "eccl"), 5)
    assert Durations(tmp_path / "times.json", "small").expect(job("align", "I21", "eccl")) == 5


def test_every_job_is_counted_once_and_the_time_is_of_jobs_to_run(tmp_path: Path) -> None:
    table = load_arms(shipped("experiments") / "arms.yaml")
    jobs = list_jobs(table)
    durations = Durations(tmp_path / "times.json", "demo")
    outdated = {job.run for job in jobs if job.seed == 42}
    assert {plan.seconds for plan in summarise(table, jobs, outdated, durations)} == {None}
    durations.add(next(job for job in jobs if job.run == "align-I21.triplet.s42"), 10.0)
    durations.add(next(job for job in jobs if job.run == "align-traits.triplet.s42"), 5.0)
    plans = {(plan.stage, plan.variant): plan for plan in summarise(table, jobs, outdated, durations)}
    assert sum(plan.jobs for plan in plans.values()) == len(jobs)
    assert sum(plan.to_run for plan in plans.values()) == len(outdated)
    triplet = plans["align", "triplet"]
    assert (triplet.jobs, triplet.to_run, triplet.seconds, triplet.is_pretraining) == (25, 5, 45.0, False)
    swin = plans["pretrain_cmr", "swin"]
    assert (swin.jobs, swin.title, swin.is_pretraining) == (30, "CMR_Sup", True)
    assert {(plan.to_run, plan.seconds) for plan in summarise(table, jobs, set(), durations)} == {(0, 0.0)}
