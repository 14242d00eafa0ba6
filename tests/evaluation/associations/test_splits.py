"""Rows of both splits beside each other: what a call replaces, what it leaves, and what it drops."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from eccl.commands.study.associations import _other_split
from eccl.data import database
from eccl.data.lock import writing
from eccl.errors import LockedError
from eccl.evaluation.associations.associate import associate
from eccl.evaluation.associations.forest import draw_forest
from eccl.evaluation.associations.table import keep_current
from eccl.features.files import write_features
from eccl.publishing.build import fill_store
from eccl.workspace import Workspace
from tests.evaluation.associations.associations_place import LAST, make_place

KEY = ["analysis", "outcome", "predictor"]


def read(place: Workspace) -> pl.DataFrame:
    return pl.read_parquet(place.reports / "associations" / "associations.parquet")


def drawings(place: Workspace) -> list[str]:
    return sorted(path.name for path in (place.reports / "associations").glob("forest*"))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose associations were computed on test, then on val."""
    place = make_place(tmp_path_factory.mktemp("both"), splits=("test", "test", "val", "val"))
    associate(place, "test")
    associate(place, "val")
    return place


@pytest.fixture
def copy(both: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(both.root, tmp_path / "copy")))


def retrain(place: Workspace, run: str) -> None:
    """Let a run be another one: its record, its predictions, and what stage evaluate wrote down of it."""
    record = json.loads((place.run_folder(run) / "run.json").read_text())
    (place.run_folder(run) / "run.json").write_text(json.dumps({**record, "run_id": f"{run}-2"}))
    [file] = place.features.glob(f"*_prediction/{run}.parquet")
    rows = pl.read_parquet(file).with_columns(run_id=pl.lit(f"{run}-2"))
    write_features(place.features, file.parent.name, run, rows.to_arrow())
    metrics = json.loads((place.reports / "metrics.json").read_text())
    metrics["runs"][run]["run_id"] = f"{run}-2"
    (place.reports / "metrics.json").write_text(json.dumps(metrics))


def test_one_split_does_not_overwrite_the_other(both: Workspace) -> None:
    table = read(both)
    assert table.group_by("split").len().sort("split").rows() == [("test", 14), ("val", 14)]
    estimates = table.filter(pl.col("estimate").is_not_null()).pivot("split", index=KEY, values="estimate")
    assert (estimates["test"] != estimates["val"]).all()
    assert drawings(both) == ["forest_test.png", "forest_test.svg", "forest_val.png", "forest_val.svg"]
    assert table["n"].max() == 120  # half of the people each


def test_a_call_replaces_the_rows_of_its_own_split(copy: Workspace) -> None:
    before = {path.name: path.read_bytes() for path in (copy.reports / "associations").iterdir()}
    found = associate(copy, "test")
    assert set(found.table["split"]) == {"test"}
    assert (found.kept, found.dropped) == (14, 0)
    assert _other_split(found) == "14 rows of the val split were kept"
    assert {path.name: path.read_bytes() for path in (copy.reports / "associations").iterdir()} == before


@pytest.mark.parametrize(("split", "word"), [("test", "Test split"), ("val", "Validation split")])
def test_a_drawing_says_which_split_it_shows(both: Workspace, split: str, word: str) -> None:
    assert f"{word}<" in (both.reports / "associations" / f"forest_{split}.svg").read_text()


def test_a_drawing_marks_hazards_that_are_not_proportional(both: Workspace, tmp_path: Path) -> None:
    table = read(both).filter(pl.col("split") == "val")
    marks = {}
    for name, p in (("steady", 0.05), ("crossing", 0.04)):
        of_cox_models = pl.when(pl.col("ph_p").is_not_null()).then(p)
        draw_forest(table.with_columns(ph_p=of_cox_models), tmp_path / name)
        marks[name] = (tmp_path / f"{name}.svg").read_text().count("†")
    assert marks["crossing"] - marks["steady"] == 2  # beside the one in the legend


def test_rows_of_a_run_that_was_trained_again_leave_and_q_is_taken_anew(copy: Workspace) -> None:
    before = read(copy).filter(pl.col("split") == "val")
    retrain(copy, "align-traits")
    found = associate(copy, "test")
    left = read(copy).filter(pl.col("split") == "val")
    assert left.drop("q").equals(before.filter(pl.col("analysis") == "disease").drop("q"))
    assert (found.kept, found.dropped) == (4, 10)
    assert "10 rows of the val split dropped" in _other_split(found)
    assert "`eccl associations --split val`" in _other_split(found)
    associate(copy, "val")
    assert read(copy).group_by("split").len().sort("split").rows() == [("test", 14), ("val", 14)]


def test_q_is_taken_among_the_rows_that_stay() -> None:
    names = {"run": "r", "run_id": "1", "data_version": "v", "definition": None, "note": ""}
    rows = [
        {"analysis": "incident", "outcome": outcome, "predictor": "t", **names, "p": p, "q": q}
        for outcome, p, q in (("I48", 0.01, 0.02), ("I50", 0.04, 0.04))
    ]
    mine, others = pl.DataFrame(rows[:1]), pl.DataFrame(rows)
    assert keep_current(others, mine)["q"].to_list() == [0.01]


@pytest.mark.parametrize("column", ["run_id", "data_version", "definition", "note"])
def test_rows_of_another_source_are_not_current(both: Workspace, column: str) -> None:
    table = read(both)
    mine, others = (table.filter(pl.col("split") == split) for split in ("test", "val"))
    assert len(keep_current(others, mine)) == 14
    old = others.with_columns(pl.lit("followed until 1999-01-01 (cohort.followup_end)").alias(column))
    kept = keep_current(old, mine)
    assert kept.is_empty()
    assert kept.schema == table.schema


def test_rows_of_an_earlier_schema_and_drawings_without_a_split_leave(copy: Workspace) -> None:
    folder = copy.reports / "associations"
    read(copy).drop("ph_p").write_parquet(folder / "associations.parquet")
    (folder / "forest.png").touch()
    found = associate(copy, "test")
    assert (found.kept, found.dropped) == (0, 14)
    assert set(read(copy)["split"]) == {"test"}
    assert drawings(copy) == ["forest_test.png", "forest_test.svg"]


def test_nothing_is_written_while_somebody_else_writes(copy: Workspace) -> None:
    before = read(copy)
    with writing(copy.state, "associations --split val"), pytest.raises(LockedError, match="associations --split val"):
        associate(copy, "test")
    assert read(copy).equals(before)


def test_the_store_has_both_splits(copy: Workspace) -> None:
    for folder in (copy.models, copy.features):  # records of the runs are shorter here than a store's
        shutil.rmtree(folder)
    connection = database.memory()
    try:
        database.create_tables(connection, ["release"])
        fill_store(connection, copy, [])
        rows = connection.sql('SELECT "split", count(*), count(ph_p) FROM associations GROUP BY ALL ORDER BY ALL')
        assert rows.fetchall() == [("test", 14, 2), ("val", 14, 2)]
        again = "INSERT INTO associations SELECT * FROM associations WHERE \"split\" = 'val' LIMIT 1"
        with pytest.raises(duckdb.ConstraintException):
            connection.execute(again)
    finally:
        connection.close()


def test_every_row_says_until_when_people_were_followed(both: Workspace) -> None:
    notes = read(both).filter(pl.col("analysis") == "incident")["note"]
    assert len(notes) == 16
    assert notes.str.ends_with(f"followed until {LAST} (cohort.followup_end)").all()
