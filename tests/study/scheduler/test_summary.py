"""What a call would do, by part and arm."""

from __future__ import annotations

from pathlib import Path

from eccl.study.scheduler.durations import Durations
from eccl.study.scheduler.jobs import list_jobs
from eccl.study.scheduler.summary import summarise
from eccl.training.settings.arms import load_arms
from eccl.workspace import shipped


def test_every_job_is_counted_once_and_time_is_of_what_is_left(tmp_path: Path) -> None:
    table = load_arms(shipped("experiments") / "arms.yaml")
    jobs = list_jobs(table)
    durations = Durations(tmp_path / "times.json", "demo")
    stale = {job.run for job in jobs if job.seed == 42}
    assert {plan.seconds for plan in summarise(table, jobs, stale, durations)} == {None}
    durations.add(next(job for job in jobs if job.run == "align-I21.triplet.s42"), 10.0)
    durations.add(next(job for job in jobs if job.run == "align-traits.triplet.s42"), 5.0)
    plans = {(plan.stage, plan.variant): plan for plan in summarise(table, jobs, stale, durations)}
    assert sum(plan.jobs for plan in plans.values()) == len(jobs)
    assert sum(plan.to_run for plan in plans.values()) == len(stale)
    triplet = plans["align", "triplet"]
    assert (triplet.jobs, triplet.to_run, triplet.seconds, triplet.is_part) == (25, 5, 45.0, False)
    swin = plans["pretrain_cmr", "swin"]
    assert (swin.jobs, swin.title, swin.is_part) == (30, "CMR_Sup", True)
    nothing = summarise(table, jobs, set(), durations)
    assert {(plan.to_run, plan.seconds) for plan in nothing} == {(0, 0.0)}
