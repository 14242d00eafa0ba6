from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from eccl.config import load_params
from eccl.errors import WorkspaceError
from eccl.inference.output import FILES, predict_folder
from eccl.inference.predict import Predictor
from eccl.inference.reading import Reader
from eccl.inference.runs import choose_runs
from eccl.training.loop.runtime import RuntimeConfig
from eccl.workspace import Workspace
from tests.inference.test_predict import read

pytestmark = pytest.mark.slow

Files = tuple[Path, pl.DataFrame]


@pytest.fixture(scope="module")
def predictor(study: Workspace) -> Predictor:
    return Predictor.open(study, choose_runs(study, "all"), RuntimeConfig())


@pytest.fixture
def mixed(files: Files, tmp_path: Path) -> Path:
    """Seven good files in two folders, one cut off, one empty, and something else."""
    folder = tmp_path / "mixed"
    (folder / "below").mkdir(parents=True)
    names = files[1]["file"].head(7).to_list()
    for number, name in enumerate(names):
        shutil.copyfile(files[0] / name, (folder / "below" if number % 2 else folder) / name)
    (folder / "cut.xml").write_bytes((files[0] / names[0]).read_bytes()[:5000])
    (folder / "empty.xml").write_bytes(b"")
    (folder / "readme.txt").write_text("no ECG")
    return folder


def test_every_file_is_predicted_or_quarantined_once(
    study: Workspace, predictor: Predictor, mixed: Path, tmp_path: Path
) -> None:
    reader, out = Reader(mixed, load_params(study.params_file)), tmp_path / "out"
    shown: list[tuple[int, int]] = []
    outcome = predict_folder(predictor, reader, out, workers=2, on_progress=lambda *n: shown.append(n), block=4)
    assert (outcome.files, outcome.predicted, outcome.ignored) == (9, 7, 1)
    assert outcome.quarantined == {"xml_malformed": 1, "empty_file": 1}
    assert sum(outcome.distribution.values()) == 7
    assert outcome.note is not None
    assert "expected at least 139" in outcome.note
    assert shown[-1] == (9, 9)
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    frames = {path.stem: pl.read_parquet(path) for path in out.iterdir()}
    assert {name: frames[name].height for name in outcome.rows} == outcome.rows
    read_files = set(frames["recording"]["file"])
    for view, rows in (("trait_prediction", 82), ("disease_prediction", 4), ("ecg_embedding", 1)):
        assert set(frames[view]["file"]) == read_files
        assert frames[view].height == 7 * rows
    assert set(frames["quarantined"]["file"]) == {"cut.xml", "empty.xml"}
    assert frames["quarantined"]["remedy"].null_count() == 0
    assert len(read_files | set(frames["quarantined"]["file"])) == outcome.files


def test_a_folder_gives_the_numbers_of_its_files_one_by_one(
    study: Workspace, predictor: Predictor, mixed: Path, tmp_path: Path
) -> None:
    predict_folder(predictor, Reader(mixed, load_params(study.params_file)), tmp_path / "out", workers=1, block=3)
    name = next(path.relative_to(mixed).as_posix() for path in (mixed / "below").iterdir())
    alone = predictor.predict(read(study, mixed, [name])).frames()
    for view in ("trait_prediction", "disease_prediction", "ecg_embedding", "recording"):
        found = pl.read_parquet(tmp_path / "out" / f"{view}.parquet").filter(pl.col("file") == name)
        assert found.to_dicts() == alone[view].to_dicts()


def test_a_folder_of_quarantined_files_only_gives_their_reasons(
    study: Workspace, predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.xml").write_bytes(b"")
    outcome = predict_folder(
        predictor, Reader(tmp_path / "in", load_params(study.params_file)), tmp_path / "out", workers=1
    )
    assert (outcome.files, outcome.predicted, outcome.quarantined, outcome.note) == (1, 0, {"empty_file": 1}, None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["quarantined.parquet"]


def test_an_earlier_answer_is_replaced_and_anything_else_is_kept(
    study: Workspace, predictor: Predictor, mixed: Path, tmp_path: Path
) -> None:
    out, reader = tmp_path / "out", Reader(mixed, load_params(study.params_file))
    predict_folder(predictor, reader, out, workers=1)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    predict_folder(predictor, reader, out, workers=1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    (out / "mine.csv").write_text("a,b\n")
    with pytest.raises(WorkspaceError, match="--out contains 1 other file;"):
        predict_folder(predictor, reader, out, workers=1)
    assert (out / "mine.csv").is_file()
    with pytest.raises(WorkspaceError, match="--out is a file"):
        predict_folder(predictor, reader, out / "mine.csv")


def test_an_interrupted_run_leaves_nothing(study: Workspace, predictor: Predictor, mixed: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(predictor, Reader(mixed, load_params(study.params_file)), tmp_path / "out", 1, stop)
    assert {path.name for path in tmp_path.iterdir()} == {"mixed"}
