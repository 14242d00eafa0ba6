"""A cohort with features of every view, and its published store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import eccl
from eccl.features.store import FeatureStore
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.store.runs import copy_workspace, finish_every_run


@pytest.fixture
def place(ingested: Workspace, tmp_path: Path) -> Workspace:
    """A workspace of one's own: data, no runs."""
    return copy_workspace(ingested, tmp_path / "place")


@pytest.fixture(scope="session")
def featured(ingested: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Data, runs and features, published once; tests only read it."""
    workspace = copy_workspace(ingested, tmp_path_factory.mktemp("featured"))
    finish_every_run(workspace)
    publish(workspace)
    return workspace


@pytest.fixture
def store(featured: Workspace) -> Iterator[FeatureStore]:
    """The published store of `featured`."""
    with eccl.open(featured.root) as opened:
        yield opened
