from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from eccl.workspace import Workspace
from tests.support.cache import changed_files
from tests.support.predicting import predicting_workspace, write_files
from tests.support.workspaces import copy_all


@pytest.fixture(scope="session")
def study() -> Iterator[Workspace]:
    """Trained runs of every kind that reads ECGs; tests only read it."""
    place = predicting_workspace()
    yield place
    assert not changed_files(place.root), "a test wrote into the shared workspace; it must copy it first"


@pytest.fixture(scope="session")
def files(study: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    """The ECG file of every visit, and its participant: file, eid, instance, row, split."""
    folder = tmp_path_factory.mktemp("ecgs")
    return folder, write_files(study, folder)


@pytest.fixture
def own(study: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return copy_all(study, tmp_path / "own")
