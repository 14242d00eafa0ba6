"""Fixtures of the whole suite. What takes long to build is built once and shared by all workers (tests/support/cache.py)."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import eccl
from eccl.features.store import FeatureStore
from eccl.workspace import Workspace
from tests.support import cohort, tiny_workspace
from tests.support.cache import changed_files, prepare_cache
from tests.support.workspaces import copy_all, copy_data, make_workspace


def pytest_configure(config: pytest.Config) -> None:
    """Choose the cache before workers start; they inherit it."""
    prepare_cache()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first, then those with many: the last file is short, and no worker waits long for another."""
    counts = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -counts[item.path]))


def _unchanged(folder: Path) -> Iterator[Path]:
    """Fail if a test wrote into a shared folder."""
    yield folder
    if changed := changed_files(folder):
        pytest.fail(f"A test wrote into the shared folder {folder.name!r}; it must copy it first: {changed[:5]}")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Compute with one thread in every test, also after a test that set another number: sums depend on it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def raw_cohort() -> Iterator[Path]:
    """Raw files of a simulated cohort in UK Biobank's formats; tests only read them."""
    yield from _unchanged(cohort.raw_cohort())


@pytest.fixture(scope="session")
def ingested() -> Iterator[Workspace]:
    """A workspace with the simulated cohort ingested; tests only read it."""
    yield from map(Workspace, _unchanged(cohort.ingested_workspace().root))


@pytest.fixture(scope="session")
def featured() -> Iterator[Workspace]:
    """Data, made-up runs and features, published once; tests only read it."""
    yield from map(Workspace, _unchanged(cohort.featured_workspace().root))


@pytest.fixture
def store(featured: Workspace) -> Iterator[FeatureStore]:
    """The published store of `featured`."""
    with eccl.open(featured.root) as opened:
        yield opened


@pytest.fixture
def place(ingested: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `ingested` that a test may change: data, no runs."""
    return copy_data(ingested, tmp_path / "place")


@pytest.fixture
def new_workspace(tmp_path: Path) -> Callable[[str], Workspace]:
    """Make bare workspaces (no git, no DVC) with small shards."""

    def make(name: str = "workspace") -> Workspace:
        return make_workspace(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def untrained() -> Iterator[Workspace]:
    """Tiny data and a passed gate, nothing trained; tests only read it."""
    yield from map(Workspace, _unchanged(tiny_workspace.untrained_workspace().root))


@pytest.fixture(scope="session")
def trained() -> Iterator[Workspace]:
    """Tiny data and runs of all three stages for the traits and for one disease; tests only read it."""
    yield from map(Workspace, _unchanged(tiny_workspace.trained_workspace().root))


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Workspace], Workspace]:
    """Copy a workspace, so that a test may change it."""
    return lambda workspace: copy_all(workspace, tmp_path / "copy")
