"""Store, product check, status and withdrawal are at ease with runs of experiments."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import eccl
from eccl.data.database import empty_table
from eccl.data.parts import data_version, read_table, write_parquet
from eccl.data.run_records import training_command
from eccl.errors import FeatureError
from eccl.features.files import read_features
from eccl.operations.status import read_status
from eccl.publishing.build import REPORT_TABLES
from eccl.publishing.publish import publish
from eccl.quality.product.features import check_features
from eccl.quality.product.models import check_models
from eccl.quality.results import CRITICAL, WARNING
from eccl.versioning.initialise import init_workspace
from eccl.withdrawal.features import DRAWINGS
from eccl.withdrawal.run import withdraw
from eccl.workspace import Workspace, shipped
from tests.quality.product.broken_products import rewrite
from tests.study.arms import VIEWS, finish_arms
from tests.support.runs import finish_every_run
from tests.support.workspaces import copy_data

POINTS = "figures/points.parquet"


@pytest.fixture(scope="module")
def whole(ingested: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Data, own runs, runs of experiments, and the points of a figure; tests that write copy it."""
    place = copy_data(ingested, tmp_path_factory.mktemp("arms") / "place")
    finish_every_run(place)
    finish_arms(place)
    people = read_table(place.data, "splits", ["eid", "split"]).to_pylist()
    rows = [
        {"figure": "2a", "panel": "after", "series": "ECG", "eid": one["eid"], "instance": 2, "x": 0.0, "y": 1.0, "label": "",
         "run": "align-I50.triplet.s42", "split": one["split"]}
        for one in people
    ]  # fmt: skip
    rows.append({**rows[0], "figure": "2b", "eid": None, "instance": None})
    schema = empty_table("figure_points").schema
    write_parquet(pa.Table.from_pylist(rows, schema=schema), place.reports / POINTS)
    for suffix in DRAWINGS:
        (place.reports / POINTS).with_name(f"figure_2a{suffix}").write_bytes(b"drawn")
    return place


@pytest.fixture
def place(whole: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(whole.root, tmp_path / "place")))


def test_runs_are_published_and_their_vectors_are_not(place: Workspace) -> None:
    publish(place)
    with eccl.open(place.root) as store:
        runs = store.sql("SELECT run, variant, seed FROM runs WHERE variant IS NOT NULL ORDER BY run").fetchall()
        own = store.sql("SELECT count(*) FROM runs WHERE variant IS NULL AND seed IS NULL").fetchall()
        shown = {
            view: {run for (run,) in store.sql(f"SELECT DISTINCT run FROM features.{view}").fetchall()}
            for views in VIEWS.values()
            for view in views
        }
        points = store.sql("SELECT count(*), count(eid) FROM figure_points").fetchall()
        empty = store.sql("SELECT count(*) FROM table1_scores").fetchall()
    assert runs == [(run, run.split(".")[1], 42) for run in sorted(VIEWS)]
    assert own == [(5,)]
    assert not any("." in run for found in shown.values() for run in found)
    assert all(shown.values())
    held = pq.read_table(place.reports / POINTS)
    assert points == [(held.num_rows, held.num_rows - 1)]
    assert empty == [(0,)]


def test_every_table_of_a_report_is_declared() -> None:
    for table in REPORT_TABLES:
        assert empty_table(table).num_columns


def test_points_of_people_who_are_in_no_table_are_not_published(place: Workspace) -> None:
    rows = pq.read_table(place.reports / POINTS).to_pylist()
    stranger = {**rows[0], "eid": 9_999_999}
    write_parquet(
        pa.Table.from_pylist([*rows, stranger], schema=empty_table("figure_points").schema), place.reports / POINTS
    )
    publish(place)
    with eccl.open(place.root) as store:
        assert store.sql("SELECT count(*) FROM figure_points").fetchall() == [(len(rows),)]


def test_the_product_check_finds_nothing_in_them(place: Workspace) -> None:
    version = data_version(place.data)
    for node in (check_features(place, version), check_models(place, version)):
        found = [(where, one) for where, one in node.walk() if "." in where.rpartition("/")[2]]
        assert found == []


def test_a_code_that_is_no_disease_is_noticed_in_a_multitask_run(place: Workspace) -> None:
    run = "align-all.multitask.s42"

    def spoil(rows: list[dict[str, object]]) -> None:
        rows[0]["code"] = "X99"

    rewrite(place.features / "disease_prediction" / f"{run}.parquet", spoil)
    [one] = [one for where, one in check_features(place, data_version(place.data)).walk() if run in where]
    assert one.severity == CRITICAL
    assert "1 of " in one.what
    assert "another disease" in one.what
    assert one.remedy == "run `eccl table1 --arms multitask --tasks all --seeds 42 --train-only`"


def test_stale_runs_of_experiments_are_trained_again_and_not_materialized(place: Workspace) -> None:
    found = [
        one
        for node in (check_features(place, "another"), check_models(place, "another"))
        for where, one in node.walk()
        if where.endswith("align-I50.triplet.s42")
    ]
    assert {one.severity for one in found} == {WARNING}
    assert {one.remedy for one in found} == {"run `eccl table1 --arms triplet --tasks I50 --seeds 42 --train-only`"}


def test_the_status_counts_them(place: Workspace) -> None:
    status = read_status(place, quick=True)
    assert (status.experiments.trained, status.experiments.stale) == (len(VIEWS), 0)
    assert not any("." in run.run for run in status.runs)
    record = place.run_folder("probe-traits.probe.s42") / "run.json"
    record.write_text(record.read_text().replace(data_version(place.data), "0123456789abcdef"))
    place.checkpoints.mkdir(parents=True)
    (place.checkpoints / "align-I50.triplet.s42-0123456789ab.pt").write_bytes(b"")
    status = read_status(place, quick=True)
    assert status.experiments.stale == 1
    remedies = [one.remedy for one in status.interrupted]
    assert remedies == ["eccl table1 --arms triplet --tasks I50 --seeds 42 --train-only"]


def test_a_withdrawal_reaches_them(place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECCL_TOMBSTONE_KEY", "5a" * 32)
    rows = pq.read_table(place.features / "ecg_embedding" / "align-I50.triplet.s42.parquet", columns=["eid", "split"])
    gone = next(row["eid"] for row in rows.to_pylist() if row["split"] == "train")
    listed = tmp_path / "w99999_20260301.csv"
    listed.write_text(f"{gone}\r\n")
    before = pq.read_table(place.reports / POINTS).num_rows

    certificate = withdraw(place, listed).certificate

    assert certificate is not None
    assert certificate.content["search"]["found"] == []
    assert certificate.content["features"][f"reports/{POINTS}"]["removed"] == 1
    for run, views in VIEWS.items():
        for view in views:
            assert gone not in read_features(place.features, view, run, ["eid"]).column(0).to_pylist()
    assert pq.read_table(place.reports / POINTS).num_rows == before - 1
    assert not [path for path in (place.reports / POINTS).parent.iterdir() if path.suffix in DRAWINGS]
    tainted = {run_id.rpartition("-")[0] for run_id in certificate.tainted}
    assert set(VIEWS) <= tainted
    status = read_status(place, quick=True)
    assert status.experiments.stale == 0  # what is left of their features holds for the data that is left


def test_hints_name_the_command_that_trains_the_run(place: Workspace) -> None:
    assert training_command("align-I21") == "eccl train align@I21"
    assert training_command("pretrain_ecg") == "eccl train pretrain_ecg"
    assert training_command("pretrain_ecg.mae.s43") == "eccl table1 --arms mae --seeds 43 --train-only"
    with pytest.raises(FeatureError, match=r"run `eccl table1 --arms triplet --tasks I21 --seeds 43 --train-only`"):
        read_features(place.features, "ecg_embedding", "align-I21.triplet.s43")


def test_a_new_workspace_has_the_table(tmp_path: Path) -> None:
    place = init_workspace(tmp_path / "study")
    assert place.arms_file.read_text() == shipped("experiments/arms.yaml").read_text()
