"""Every arm of the shipped table on a simulated cohort, and every figure: that all of it fits together, not that it learns."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import yaml

from benchmarks.learning import prepare
from eccl.features.store import FeatureStore
from eccl.publishing.publish import publish
from eccl.study.arms import ArmTable, load_arms
from eccl.study.figures.write import make_figures
from eccl.study.jobs import Job, list_jobs
from eccl.study.table1.report import write_table1
from eccl.study.train import run_jobs
from eccl.workspace import Workspace

SEEDS, TASKS = [42], ["traits", "I48", "all"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Eighty participants and two epochs."""
    place = prepare(tmp_path_factory.mktemp("table") / "workspace", 80, workers=2)
    content: dict[str, Any] = yaml.safe_load(place.params_file.read_text())
    content["preset"] = "demo"
    for name in ("pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align"):
        content["presets"]["demo"][name]["optimiser"] |= {"epochs": 2, "warmup_epochs": 1}
    place.params_file.write_text(yaml.safe_dump(content))
    return place


@pytest.fixture(scope="module")
def table(place: Workspace) -> ArmTable:
    return load_arms(place.arms_file)


@pytest.fixture(scope="module")
def jobs(place: Workspace, table: ArmTable) -> list[Job]:
    jobs = list_jobs(table, tasks=TASKS, seeds=SEEDS)
    assert len(run_jobs(place, table, jobs, "demo").trained) == len(jobs)
    return jobs


@pytest.mark.slow
def test_the_table_has_every_row_with_scores(place: Workspace, table: ArmTable, jobs: list[Job]) -> None:
    text = write_table1(place, table, jobs, resamples=50)
    for arm in table.arms.values():
        assert (arm.title in text) is (arm.group != "figure_2b"), arm.key
    rows = pl.read_parquet(place.reports / "table1" / "rows.parquet").filter(pl.col("split") == "test")
    scored = rows.filter(pl.col("mean").is_not_null() & pl.col("metric").is_in(["mean_r", "auc"]))
    found = set(scored.select("arm", "task").iter_rows())
    for arm in table.arms.values():
        if arm.group != "figure_2b":
            tasks = {"traits", "I48"} if "all" in arm.tasks else {"traits", "I48"} & set(arm.tasks)
            assert {(arm.key, task) for task in tasks} <= found
    for suffix in ("md", "csv", "png"):
        assert (place.reports / f"table1.{suffix}").stat().st_size > 0


@pytest.mark.slow
def test_every_figure_is_drawn_and_lacks_only_what_was_not_trained(
    place: Workspace, table: ArmTable, jobs: list[Job]
) -> None:
    drawn = make_figures(place, table)
    assert {path.name for path in drawn.paths} == {
        *(f"figure_2{panel}.{kind}" for panel in "abcd" for kind in ("png", "svg")),
        "points.parquet",
    }
    assert set(drawn.missing) == {"2d"}  # three of its four diseases
    assert drawn.split == "test"  # the selection is frozen


@pytest.mark.slow
def test_the_store_answers_what_the_reports_say(place: Workspace, jobs: list[Job]) -> None:
    publish(place)
    with FeatureStore(place.database) as store:
        scores = store.sql("SELECT count(DISTINCT arm) FROM table1_scores WHERE split = 'test'").fetchall()
        points = store.sql("SELECT count(DISTINCT figure) FROM figure_points").fetchall()
        vectors = store.sql("SELECT count(*) FROM features.ecg_embedding").fetchall()
    assert scores == [(19,)]
    assert points == [(4,)]
    assert vectors == [(0,)]  # those of arms stay in their files
