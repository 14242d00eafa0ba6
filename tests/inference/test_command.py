"""The commands `eccl predict` and `eccl card`."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.ledger.tombstones import Tombstones
from eccl.training.runs import load_run
from eccl.workspace import Workspace
from tests.support.cli import run_cli
from tests.support.tiny_workspace import FIRST_EID

pytestmark = pytest.mark.slow

Files = tuple[Path, pl.DataFrame]


def test_one_file_gives_82_traits_and_four_diseases(study: Workspace, files: Files, tmp_path: Path) -> None:
    done = run_cli("predict", str(files[0] / files[1]["file"][0]), "--json", cwd=study.root)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["traits"]) == 82
    assert [one["code"] for one in answer["diseases"]] == ["I21", "I42", "I48", "I50"]
    assert all(
        one["interval_lower"] < one["value"] < one["interval_upper"] for one in answer["traits"] if one["note"] is None
    )
    assert {one["units"] for one in answer["traits"]} >= {"mL", "%", "mm"}
    assert len(answer["embeddings"]) == len(answer["runs"]) == 5
    assert (answer["distribution"], answer["comparisons"]) == (
        "unknown",
        11,
    )  # so few people of validation tell nothing apart
    assert {one["distribution"] for one in answer["quality"]} <= {"inside", "unusual"}
    assert all(0 < one["p"] <= 1 for one in (answer, *answer["quality"], *answer["embeddings"]))
    found = answer["embeddings"][0]["validation_recordings"]
    assert f"`distribution` is unknown: found {found} validation recordings" in answer["note"]
    assert "expected at least 219" in answer["note"]
    fields = ("calibration_slope", "calibration_intercept", "calibration_cases", "calibration_visits")
    assert all(one[name] is None for one in answer["diseases"] for name in fields)  # too few cases in this cohort
    assert all(0 < one["probability"] < 1 for one in answer["diseases"])


def test_the_screen_shows_verdict_diseases_and_traits(study: Workspace, files: Files) -> None:
    path = str(files[0] / files[1]["file"][0])
    done = CliRunner().invoke(app, ["predict", path, "--run", "all", "--workspace", str(study.root)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    run = load_run(study, "align-all").record
    assert lines[0].split() == ["run", f"{run['run_id']},", "data", "version", run["data_version"]]
    assert lines[1].startswith("distribution  unknown  (p ")
    assert lines[2].startswith("note          `distribution` is unknown: found ")
    assert "expected at least 139" in lines[2]
    assert "raw_probability" in done.output
    assert "calibrated_probability" not in done.output  # nothing to show
    found = [line.partition(": ")[2] for line in lines if ": no interval" in line or ": not calibrated" in line]
    assert found
    assert len(set(found)) == len(found)  # each note once
    assert sum(re.match(r"\s+24\d\d\d\s", line) is not None for line in lines) == 82
    assert sum(re.match(r"\s+I\d\d\s", line) is not None for line in lines) == 4


def test_a_quarantined_file_ends_with_1_its_reason_and_a_remedy(study: Workspace, tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST_EID}_20205_2_0.xml"
    path.write_text("<CardiologyXML><a>")
    arguments = ["predict", str(path), "--run", "all", "--workspace", str(study.root)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "quarantined: xml_malformed:" in done.output
    assert "Fetch the file again" in done.output
    assert str(FIRST_EID) not in done.output
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert set(found["quarantined"]) == {"reason", "detail", "remedy"}


def test_a_file_of_a_withdrawn_participant_is_not_read(own: Workspace, files: Files, tmp_path: Path) -> None:
    withdrawn, other = FIRST_EID + 5, FIRST_EID + 6
    folder = tmp_path / "ecgs"
    folder.mkdir()
    for eid in (withdrawn, other):
        (folder / f"{eid}_20205_2_0.xml").write_bytes((files[0] / files[1]["file"][0]).read_bytes())
    Tombstones.add(own, [withdrawn], date(2026, 3, 1), "2026-03-01-1")
    arguments = ["--run", "all", "--workspace", str(own.root)]
    done = CliRunner().invoke(app, ["predict", str(folder / f"{withdrawn}_20205_2_0.xml"), *arguments])
    assert done.exit_code == 1
    assert "quarantined: withdrawn: the file's name contains the id of a withdrawn participant. Delete" in done.output
    assert str(withdrawn) not in done.output
    done = CliRunner().invoke(app, ["predict", str(folder), *arguments, "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(done.stdout)["quarantined"] == {"withdrawn": 1}
    assert pl.read_parquet(tmp_path / "out" / "recording.parquet").height == 1


def test_a_folder_is_counted(study: Workspace, files: Files, tmp_path: Path) -> None:
    arguments = ["predict", str(files[0]), "--run", "all", "--workspace", str(study.root)]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    count = files[1].height
    assert f"{count} files = {count} predicted + 0 quarantined" in done.output
    assert f"  unknown: {count}\n  note: `distribution` is unknown: found " in done.output
    assert "expected at least 139" in done.output
    assert pl.read_parquet(tmp_path / "out" / "recording.parquet").height == count
    without = CliRunner().invoke(app, arguments)
    assert without.exit_code == 2
    assert not any(study.root.rglob("*quarantined.parquet"))


def test_cards_are_written_and_listed(own: Workspace) -> None:
    done = CliRunner().invoke(app, ["card", "align-I50", "pretrain_ecg", "--json", "--workspace", str(own.root)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == ["reports/cards/align-I50.md", "reports/cards/pretrain_ecg.md"]
    assert (own.reports / "cards" / "align-I50.md").read_text().startswith("# align-I50\n")
