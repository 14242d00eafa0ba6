"""The verbs of the feature store as an analyst meets them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import eccl
from eccl.workspace import Workspace
from tests.support.cli import run_cli
from tests.support.runs import finish_every_run
from tests.support.workspaces import copy_all, copy_data


@pytest.fixture(scope="module")
def place(featured: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy, because exports are recorded in it."""
    return copy_all(featured, tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def eid(place: Workspace) -> int:
    with eccl.open(place.root) as store:
        return int(store.sql("SELECT min(eid) FROM pairs").fetchall()[0][0])


def answer(place: Workspace, *arguments: str) -> str:
    done = run_cli(*arguments, cwd=place.root)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_features_are_listed_shown_and_got(place: Workspace, tmp_path: Path) -> None:
    listed = json.loads(answer(place, "features", "list", "--json"))
    views = {row["feature_view"]: row for row in listed}
    assert "cmr_teacher" not in views  # a cache
    assert views["ecg_embedding"]["with_feature"] == views["ecg_embedding"]["visits"] > 0
    shown = answer(place, "features", "show", "disease_prediction")
    assert "Predicted log-odds" in shown
    assert "align-I50" in shown
    out = tmp_path / "cohort.parquet"
    arguments = (
        "features",
        "get",
        "ecg_embedding",
        "trait:LVEF",
        "--label",
        "I50:ever",
        "-o",
        str(out),
    )
    assert "columns are complete" in run_cli(*arguments, cwd=place.root).stderr
    frame = pl.read_parquet(out)
    assert frame.columns == ["eid", "instance", "split", "ecg_embedding", "trait_LVEF", "label_I50_ever"]
    last = json.loads((place.ledger / "exports.jsonl").read_text().splitlines()[-1])
    assert (last["path"], last["has_eid"], last["rows"]) == (str(out), True, frame.height)
    wrong = run_cli("features", "get", "nothing", cwd=place.root)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)
    broken = run_cli("features", "get", "trait:LVEF", "--entities", "SELECT 1", cwd=place.root)
    assert "need the columns eid, instance" in broken.stderr


def test_similar_visits_and_their_labels(place: Workspace, eid: int) -> None:
    rows = json.loads(answer(place, "similar", str(eid), "-k", "3", "--json"))
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert "label_I50_ever" in rows[0]
    only = json.loads(answer(place, "similar", str(eid), "-k", "99", "--where", "split = 'test'", "--json"))
    assert {row["split"] for row in only} <= {"test"}
    wrong = run_cli("similar", str(eid), "--where", "nonsense", cwd=place.root)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)


def test_lineage_is_a_tree_down_to_the_raw_file(place: Workspace, eid: int) -> None:
    tree = answer(place, "lineage", str(eid), "--instance", "2")
    for word in (
        "data/ecg.zarr/clean row",
        "raw file",
        "run align-I50",
        "ecg_embedding (current)",
        "weights sha256",
        "gate passed",
    ):
        assert word in tree
    links = json.loads(answer(place, "lineage", str(eid), "--instance", "2", "--view", "ecg_projection", "--json"))
    assert {link["feature_view"] for link in links} == {"ecg_projection"}
    unknown = run_cli("lineage", "1", cwd=place.root)
    assert (unknown.returncode, "No such participant" in unknown.stderr) == (1, True)


def test_sql_takes_parameters_files_and_standard_input(place: Workspace, tmp_path: Path) -> None:
    query = "SELECT count(*) AS n FROM labels WHERE code = $code AND instance >= $first"
    counted = json.loads(answer(place, "sql", query, "-p", "code=I50", "-p", "first=2", "--json"))
    file = tmp_path / "query.sql"
    file.write_text(query)
    assert json.loads(answer(place, "sql", "--file", str(file), "-p", "code=I50", "-p", "first=2", "--json")) == counted
    assert counted[0]["n"] > 0
    assert run_cli("sql", "SELECT 1", "--file", str(file), cwd=place.root).returncode == 2
    assert "NAME=VALUE" in run_cli("sql", query, "-p", "code", cwd=place.root).stderr


def test_the_prompt_answers_line_by_line(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from eccl.commands.prompt import Prompt

    with eccl.open(place.root) as store:
        prompt = Prompt(store, 100)
        lines = [
            ".tables",
            "SELECT count(*) AS visits",
            "FROM pairs;",
            ".format csv",
            "SELECT 41 + 1 AS n;",
            "SELECT nothing;",
            ".describe pairs",
            "",
            ".what",
        ]
        assert not any(prompt.onecmd(line) for line in lines)
        assert prompt.onecmd(".quit")
        assert prompt.onecmd("EOF")
    out, error = capsys.readouterr()
    assert "features.ecg_embedding" in out
    assert "visits" in out
    assert "n\n42\n" in out
    assert "Slot in data/ecg.zarr" in out
    assert "Binder Error" in error


def test_releases_are_promoted_compared_and_retracted(ingested: Workspace, tmp_path: Path) -> None:
    workspace = copy_data(ingested, tmp_path / "releases")
    first = answer(workspace, "publish", "--alias", "stable").split()[-3].rstrip(",")
    finish_every_run(workspace)
    second = answer(workspace, "publish").split()[-1]
    assert "Nothing new since" in answer(workspace, "publish")
    changes = json.loads(answer(workspace, "diff", "stable", "--json"))
    assert (changes["older"], changes["newer"]) == (first, second)
    added = {row["run"]: row["added"] for row in changes["changes"] if row["table"] == "features.ecg_embedding"}
    assert added["align-I50"] > 0
    assert "tables and runs differ" in answer(workspace, "diff", "stable")
    assert "nothing was written" in answer(workspace, "promote", "latest", "--alias", "stable", "--dry-run")
    assert "nothing was written" in answer(workspace, "retract", "latest", "--reason", "wrong", "--dry-run")
    answer(workspace, "retract", "latest", "--reason", "wrong")
    listed = json.loads(answer(workspace, "versions", "--json"))
    assert [one["aliases"] for one in listed["releases"]] == [["latest", "stable"], []]
    assert "retracted: wrong" in answer(workspace, "versions")
    done = run_cli("sql", "SELECT 1", "--release", second, cwd=workspace.root)
    assert (done.returncode, "was retracted" in done.stderr) == (1, True)
    assert answer(workspace, "sql", "SELECT name FROM release", "--csv").split() == ["name", first]


def test_wide_answers_show_what_fits_and_say_what_does_not(place: Workspace) -> None:
    wide = answer(place, "sql", "SELECT * FROM traits_wide LIMIT 2")
    assert "LVEDV" in wide
    assert "more columns" in wide
    one = answer(place, "sql", "SELECT * FROM traits_wide LIMIT 1")
    assert len(one.splitlines()) == 84


def test_a_file_that_cannot_be_written_is_one_line(place: Workspace, tmp_path: Path) -> None:
    before = (place.ledger / "exports.jsonl").read_text() if (place.ledger / "exports.jsonl").is_file() else ""
    for form in ("csv", "parquet"):
        done = run_cli("sql", "FROM pairs", "-o", str(tmp_path / "no" / f"a.{form}"), cwd=place.root)
        assert (done.returncode, "not a folder that can be written to" in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr
    after = (place.ledger / "exports.jsonl").read_text() if (place.ledger / "exports.jsonl").is_file() else ""
    assert after == before
