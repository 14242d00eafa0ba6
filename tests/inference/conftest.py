from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from eccl.workspace import Workspace
from tests.inference.cohort import build_cohort, train, write_files

TRAINED = (
    "pretrain_ecg",
    *(f"{stage} --task {task}" for task in ("traits", "I50", "all") for stage in ("pretrain_cmr", "align")),
    *(f"{stage} --task {task}" for task in ("I21", "I42", "I48") for stage in ("pretrain_cmr", "align")),
    *(f"probe --task {task}" for task in ("traits", "I50")),
    "align --task I50 --variant neither --seed 42",
)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Trained runs of every kind that reads ECGs; tests only read it."""
    place = build_cohort(tmp_path_factory.mktemp("inference"))
    train(place, *TRAINED)
    return place


@pytest.fixture(scope="session")
def files(study: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    """The ECG file of every visit, and whose it is: file, eid, instance, row, split."""
    folder = tmp_path_factory.mktemp("ecgs")
    return folder, write_files(study, folder)


@pytest.fixture
def own(study: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return Workspace(Path(shutil.copytree(study.root, tmp_path / "own")))
