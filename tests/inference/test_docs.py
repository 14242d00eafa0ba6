"""docs/how-to/predict.md says what the code does: fields, and numbers of people that are needed."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from eccl.commands.app import app
from eccl.inference.calibration import FEWEST_OF_A_CLASS, STEEP_SLOPE
from eccl.inference.distribution import FEWEST_RECORDINGS, OUTSIDE_P, Power, fewest_for
from eccl.inference.output import to_json
from eccl.inference.predict import Predictor
from eccl.inference.reference import FEWEST_VISITS, MEASURES
from eccl.inference.runs import choose_runs
from eccl.training.loop.runtime import RuntimeConfig
from eccl.training.settings import TASKS
from eccl.workspace import Workspace
from tests.inference.test_predict import read

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "predict.md").read_text()


def cells(*first: str) -> list[str]:
    """Cells of the only table row that begins so; of several tables, the one whose first cells are these."""
    start = re.escape("| " + " | ".join(first))
    (row,) = re.findall(rf"^{start}.*$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in row.strip("|").split("|")]


def columns(cell: str) -> list[str]:
    return re.sub(r"\([^)]*\)", "", cell).replace(" ", "").split(",")


@pytest.mark.parametrize(
    ("row", "comparisons"),
    [
        ("one comparison by itself", 1),
        ("one run, `all`, or", len(MEASURES) + 1),
        ("`align`, or", len(MEASURES) + len(TASKS)),
    ],
)
def test_the_recordings_that_a_verdict_needs_are_those_of_the_code(row: str, comparisons: int) -> None:
    needed, outside = Power(comparisons, 0).needed, fewest_for(OUTSIDE_P, comparisons)
    assert cells(row)[1:] == [str(comparisons), f"{needed:,}", f"{outside:,}"]


def test_the_verdict_unknown_is_explained_with_the_numbers_of_the_code() -> None:
    one, many = (Power(len(MEASURES) + encoders, 0).needed for encoders in (1, len(TASKS)))
    alone, together = cells("`unknown`")[1:]
    assert f"fewer than {FEWEST_RECORDINGS} training or validation" in alone
    assert f"fewer than {one} with one run, than {many} with `align`" in together


def test_the_fewest_visits_are_those_of_the_code() -> None:
    assert cells("trait, `interval_lower` to `interval_upper`")[-1].startswith(
        f"fewer than {FEWEST_VISITS} validation visits"
    )
    assert cells(f"fewer than {FEWEST_OF_A_CLASS} visits with, or without")[1] == "null"
    assert cells(f"the slope is above {STEEP_SLOPE:g}")[1] == "given"


def test_every_field_of_a_folder_and_of_an_answer_is_listed(
    study: Workspace, files: tuple[Path, pl.DataFrame], tmp_path: Path
) -> None:
    """In the order in which it is written."""
    folder, listed = files
    name = str(listed["file"][0])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes((folder / name).read_bytes())
    done = CliRunner().invoke(
        app,
        [
            "predict",
            str(tmp_path / "in"),
            "--run",
            "all",
            "--workspace",
            str(study.root),
            "--out",
            str(tmp_path / "out"),
        ],
    )
    assert done.exit_code == 0, done.output
    for view in ("trait_prediction", "disease_prediction", "ecg_embedding", "quarantined"):
        written = pl.read_parquet_schema(tmp_path / "out" / f"{view}.parquet")
        assert columns(cells(f"`{view}.parquet`")[2]) == list(written), view
    predictor = Predictor.open(study, choose_runs(study, "all"), RuntimeConfig())
    (recording,) = read(study, folder, [name])
    answer = to_json(recording, predictor.predict([recording]), predictor, "all")
    for part in ("quality", "embeddings", "traits", "diseases"):
        assert columns(cells(f"`{part}`")[2]) == list(answer[part][0]), part
    listed_fields = set(
        re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in PAGE.splitlines() if row.startswith("|")))
    )
    assert set(answer) <= listed_fields
    assert set(answer["diseases"][0]) - {"run", "code", "note"} <= listed_fields
