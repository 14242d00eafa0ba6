"""The test split is opened once per selection, for runs that were frozen before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eccl.data.parts import data_version
from eccl.errors import FeatureError, SplitError, VersionError
from eccl.evaluation.test_split.access_log import access_file, read_accesses
from eccl.evaluation.test_split.selection import Scope, freeze, read_selected, read_selection, selection_file
from tests.study.arms_place import Place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place(tmp_path_factory.mktemp("selection") / "workspace", people=30)
    place.finish(place.jobs(arms=["eccl", "ssl_only"], tasks=["I21", "traits"]))
    return place.workspace.root


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Place:
    shutil.copytree(made, tmp_path / "workspace")
    found = Place.__new__(Place)
    found.__dict__.update(Place(tmp_path / "truth", people=30).__dict__)
    found.workspace = type(found.workspace)(tmp_path / "workspace")
    return found


def scope(place: Place, **changes: object) -> Scope:
    fields = {
        "data_version": data_version(place.workspace.data),
        "preset": "demo",
        "label_definition": "ever",
        "instances": (2, 3),
    }
    return Scope(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_file_says_which_runs_were_frozen_and_what_chose_them(place: Place) -> None:
    jobs = place.runs(arms=["eccl"], tasks=["I21"])
    frozen = freeze(place.workspace, jobs, scope(place))
    content = json.loads(selection_file(place.workspace).read_text())
    assert set(content["runs"]) == set(jobs)  # with what they build on
    entry = content["runs"]["align-I21.eccl.s43"]
    record = json.loads((place.workspace.run_folder("align-I21.eccl.s43") / "run.json").read_text())
    assert {key: entry[key] for key in ("run_id", "weights_sha256", "best_epoch")} == {
        key: record[key] for key in ("run_id", "weights_sha256", "best_epoch")
    }
    assert (entry["rule"], entry["validation_score"]) == ("auc", 0.7)
    assert "history" not in content
    (access,) = json.loads(access_file(place.workspace).read_text())
    assert access == {
        "data_version": content["data_version"], "preset": "demo", "selection": content["selection"],
        "runs": sorted(content["runs"]), "reason": None,
    }  # fmt: skip
    assert access_file(place.workspace) == place.workspace.root / "experiments" / "test_access.json"
    assert read_selection(place.workspace) == frozen


def test_scoring_the_same_selection_again_changes_nothing(place: Place) -> None:
    jobs = place.runs(arms=["eccl"], tasks=["I21"])
    freeze(place.workspace, jobs, scope(place))
    files = selection_file(place.workspace), access_file(place.workspace)
    before = [file.read_bytes() for file in files]
    freeze(place.workspace, reversed(jobs), scope(place), reason="not needed")
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_another_selection_of_the_same_data_needs_a_reason(place: Place, reason: str | None) -> None:
    freeze(place.workspace, place.runs(arms=["eccl"], tasks=["I21"]), scope(place))
    before = selection_file(place.workspace).read_bytes()
    more = place.runs(arms=["eccl", "ssl_only"], tasks=["I21"])
    with pytest.raises(SplitError, match=r"scored already.*2 of these 8 are new.*--rescore"):
        freeze(place.workspace, more, scope(place), reason=reason)
    assert selection_file(place.workspace).read_bytes() == before


def test_the_reason_is_kept_for_ever(place: Place) -> None:
    first, second = (place.runs(arms=["eccl"], tasks=[task]) for task in ("I21", "traits"))
    freeze(place.workspace, first, scope(place))
    freeze(place.workspace, second, scope(place), reason="traits were forgotten")
    place.finish_run(place.jobs(arms=["eccl"], tasks=["traits"])[-1], weights="f" * 64)  # trained again, elsewhere
    with pytest.raises(SplitError, match="trained again"):
        freeze(place.workspace, second, scope(place))
    freeze(place.workspace, second, scope(place), reason="another GPU")
    freeze(place.workspace, first, scope(place))  # this one has been scored before
    assert [one["reason"] for one in read_accesses(place.workspace)] == [None, "traits were forgotten", "another GPU"]


@pytest.mark.parametrize("change", [{"label_definition": "incident"}, {"instances": (2,)}])
def test_another_label_is_another_look(place: Place, change: dict[str, object]) -> None:
    jobs = place.runs(arms=["eccl"], tasks=["I21"])
    freeze(place.workspace, jobs, scope(place))
    with pytest.raises(SplitError, match="another label"):
        freeze(place.workspace, jobs, scope(place, **change))


def test_new_data_are_another_look(place: Place) -> None:
    """Nobody forgets the scores of a version because the next one has one visit more."""
    jobs = place.runs(arms=["eccl"], tasks=["I21"])
    freeze(place.workspace, jobs, scope(place))
    with pytest.raises(VersionError, match=r"trained on data version .* the workspace holds 0123.*`eccl table1 --arms"):
        freeze(place.workspace, jobs, scope(place, data_version="0123"))
    for run in jobs:
        file = place.workspace.run_folder(run) / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "data_version": "0123"}))
    with pytest.raises(SplitError, match=r"another selection of data version .*--rescore"):
        freeze(place.workspace, jobs, scope(place, data_version="0123"))
    freeze(place.workspace, jobs, scope(place, data_version="0123"), reason="a new batch of visits")
    accesses = read_accesses(place.workspace)
    assert [one["reason"] for one in accesses] == [None, "a new batch of visits"]
    assert [one["data_version"] for one in accesses] == [scope(place).data_version, "0123"]


def test_deleted_reports_make_no_look_undone(place: Place) -> None:
    freeze(place.workspace, place.runs(arms=["eccl"], tasks=["I21"]), scope(place))
    shutil.rmtree(place.workspace.reports)
    with pytest.raises(SplitError, match="scored already"):
        freeze(place.workspace, place.runs(arms=["eccl"], tasks=["traits"]), scope(place))
    assert not selection_file(place.workspace).exists()  # nothing is frozen that must not be scored


@pytest.mark.parametrize("content", ["", "{", "{}", '[{"reason": null}]', "[1]"])
def test_a_history_that_cannot_be_read_is_no_empty_one(place: Place, content: str) -> None:
    access_file(place.workspace).write_text(content)
    with pytest.raises(SplitError, match="restore it from git"):
        freeze(place.workspace, place.runs(arms=["eccl"], tasks=["I21"]), scope(place), reason="any")


@pytest.mark.parametrize("split", ["val", "test"])
def test_rows_are_read_for_frozen_runs_only(place: Place, split: str) -> None:
    frozen = freeze(place.workspace, place.runs(arms=["eccl"], tasks=["I21"]), scope(place))
    rows = read_selected(place.workspace, frozen, "disease_prediction", "align-I21.eccl.s42", split, "I21")
    assert set(rows["split"]) == {split}
    with pytest.raises(SplitError, match=r"align-I21\.ssl_only\.s42 is not in the frozen selection"):
        read_selected(place.workspace, frozen, "disease_prediction", "align-I21.ssl_only.s42", split, "I21")


def test_a_run_that_was_trained_again_is_not_the_frozen_one(place: Place) -> None:
    jobs = place.runs(arms=["eccl"], tasks=["I21"])
    frozen = freeze(place.workspace, jobs, scope(place))
    place.finish_run(place.jobs(arms=["eccl"], tasks=["I21"])[-1], weights="e" * 64)
    with pytest.raises(VersionError, match="trained again since"):
        read_selected(place.workspace, frozen, "disease_prediction", jobs[-1], "test", "I21")


def test_features_of_another_training_are_not_the_frozen_ones(place: Place) -> None:
    frozen = freeze(place.workspace, place.runs(arms=["eccl"], tasks=["I21"]), scope(place))
    features = place.workspace.features / "disease_prediction"
    shutil.copyfile(features / "align-I21.ssl_only.s42.parquet", features / "align-I21.eccl.s42.parquet")
    with pytest.raises(VersionError, match="trained again since"):
        read_selected(place.workspace, frozen, "disease_prediction", "align-I21.eccl.s42", "test", "I21")


def test_a_disease_that_a_run_says_nothing_of_is_not_read_as_empty(place: Place) -> None:
    frozen = freeze(place.workspace, place.runs(arms=["eccl"], tasks=["I21"]), scope(place))
    with pytest.raises(FeatureError, match=r"no prediction for \d+ of \d+ pairs"):
        read_selected(place.workspace, frozen, "disease_prediction", "align-I21.eccl.s42", "test", "I42")


def test_a_log_of_an_older_version_is_renamed_and_continued(place: Place) -> None:
    runs = place.runs(arms=["eccl"], tasks=["I21"])
    freeze(place.workspace, runs, scope(place))
    log = access_file(place.workspace)
    before = read_accesses(place.workspace)
    log.rename(log.with_name("looks.json"))
    assert read_accesses(place.workspace) == before
    assert log.is_file()
    assert not log.with_name("looks.json").exists()
