"""`eccl predict` and `eccl card` as a user meets them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.workspace import Workspace
from tests.training.synthetic import FIRST_EID

Files = tuple[Path, pl.DataFrame]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from eccl.commands import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_one_file_gives_82_traits_and_four_diseases(study: Workspace, files: Files, tmp_path: Path) -> None:
    done = run("predict", str(files[0] / files[1]["file"][0]), "--json", cwd=study.root)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["traits"]) == 82
    assert [one["code"] for one in answer["diseases"]] == ["I21", "I42", "I48", "I50"]
    assert all(one["low"] < one["value"] < one["high"] for one in answer["traits"] if one["note"] is None)
    assert {one["units"] for one in answer["traits"]} >= {"mL", "%", "mm"}
    assert len(answer["embeddings"]) == len(answer["runs"]) == 5
    assert answer["distribution"] in {"inside", "unusual", "outside"}


def test_the_screen_shows_verdict_diseases_and_traits(study: Workspace, files: Files) -> None:
    path = str(files[0] / files[1]["file"][0])
    done = CliRunner().invoke(app, ["predict", path, "--model", "all", "--workspace", str(study.root)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("distribution  ")
    assert sum(re.match(r"\s+24\d\d\d\s", line) is not None for line in lines) == 82
    assert sum(re.match(r"\s+I\d\d\s", line) is not None for line in lines) == 4


def test_a_refused_file_ends_with_1_its_reason_and_a_remedy(study: Workspace, tmp_path: Path) -> None:
    path = tmp_path / f"{FIRST_EID}_20205_2_0.xml"
    path.write_text("<CardiologyXML><a>")
    arguments = ["predict", str(path), "--model", "all", "--workspace", str(study.root)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "refused: xml_malformed:" in done.output
    assert "Fetch the file again" in done.output
    assert str(FIRST_EID) not in done.output
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert set(told["refused"]) == {"reason", "detail", "remedy"}


def test_a_folder_is_counted(study: Workspace, files: Files, tmp_path: Path) -> None:
    arguments = ["predict", str(files[0]), "--model", "all", "--workspace", str(study.root)]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    count = files[1].height
    assert f"{count} files = {count} predicted + 0 refused" in done.output
    assert pl.read_parquet(tmp_path / "out" / "recording.parquet").height == count
    without = CliRunner().invoke(app, arguments)
    assert without.exit_code == 2
    assert not any(study.root.rglob("*refused.parquet"))


def test_cards_are_written_and_listed(own: Workspace) -> None:
    done = CliRunner().invoke(app, ["card", "align-I50", "pretrain_ecg", "--json", "--workspace", str(own.root)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == ["reports/cards/align-I50.md", "reports/cards/pretrain_ecg.md"]
    assert (own.reports / "cards" / "align-I50.md").read_text().startswith("# align-I50\n")
