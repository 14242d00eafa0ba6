"""One simulated cohort for the whole suite, built in code, and workspaces that hold it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import eccl
from eccl.features.store import FeatureStore
from eccl.ingest.run import run_ingest
from eccl.publishing.publish import publish
from eccl.simulate import SimulationConfig, simulate_cohort
from eccl.workspace import Workspace, shipped
from tests.support.runs import copy_workspace, finish_every_run

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ECCL_SHARED_DATA", ROOT.parent / "shared" / "data"))

COHORT = {
    "participants": 14,
    "seed": 11,
    "disease_enrichment": True,
    "second_visit_share": 0.2,
    "missing_ecg_share": 0.1,
    "missing_cine_share": 0.1,
    "corruption_share": 0.15,
    "withdrawn": 1,
    "slices": [2, 3],
}

Tree = dict[str, str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, then those with many: what comes last is short, and no worker waits long for another."""
    counts = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -counts[item.path]))


@pytest.fixture(scope="session")
def raw_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files of a simulated cohort in UK Biobank's formats."""
    out = tmp_path_factory.mktemp("raw cohort")  # a path with a space, as on the research platform
    simulate_cohort(out, SimulationConfig.model_validate(COHORT), workers=2)
    return out


@pytest.fixture
def new_workspace(tmp_path: Path) -> Callable[[str], Workspace]:
    """Make bare workspaces (no git, no DVC) with small shards."""

    def make(name: str = "workspace") -> Workspace:
        folder = tmp_path / name
        folder.mkdir()
        text = shipped("params.yaml").read_text()
        text = text.replace("ecg_shard_rows: 1024", "ecg_shard_rows: 4").replace(
            "cine_shard_rows: 64", "cine_shard_rows: 3"
        )
        (folder / "params.yaml").write_text(text)
        return Workspace(folder)

    return make


@pytest.fixture(scope="session")
def ingested(raw_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the simulated cohort ingested; tests only read it."""
    folder = tmp_path_factory.mktemp("ingested")
    text = shipped("params.yaml").read_text()
    text = text.replace("ecg_shard_rows: 1024", "ecg_shard_rows: 4").replace(
        "cine_shard_rows: 64", "cine_shard_rows: 3"
    )
    (folder / "params.yaml").write_text(text)
    place = Workspace(folder)
    run_ingest(place, raw_cohort, workers=2)
    return place


@pytest.fixture
def place(ingested: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `ingested` that a test may change: data, no runs."""
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


def tree_of(folder: Path) -> Tree:
    """SHA-256 of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real sample files beside the checkout; tests that need them are skipped where they are absent."""
    if not SHARED.is_dir():
        pytest.skip("no sample files beside the checkout (../shared/data, or $ECCL_SHARED_DATA)")
    return SHARED
