"""Pages made from the schemas are up to date, and every question gets the answer it is printed with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from eccl.features.store import open_store
from eccl.publishing.publish import publish
from eccl.workspace import Workspace
from tests.support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    return load_script("pages")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sample that comes with the repository, pulled by DVC and published."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("data.dvc", "dvc.lock", "dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(ROOT / "sample", folder / "sample")
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    for command in (["init", "--quiet"], ["add", "data.dvc"], ["commit", "--quiet", "-m", "sample"]):
        subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *command], cwd=folder, check=True
        )
    subprocess.run([sys.executable, "-m", "dvc", "pull", "--quiet"], cwd=folder, check=True)
    workspace = Workspace(folder)
    publish(workspace)
    return workspace


def test_tables_page_contains_the_comments_of_the_store(pages: ModuleType) -> None:
    assert (ROOT / "docs" / "reference" / "tables.md").read_text() == pages.tables_page()


def test_every_question_is_answered_as_printed(pages: ModuleType, sample: Workspace) -> None:
    with open_store(sample.root) as store:
        assert (ROOT / "docs" / "reference" / "questions.md").read_text() == pages.questions_page(store)


def test_there_are_twenty_questions_and_each_finds_something(pages: ModuleType, sample: Workspace) -> None:
    files = pages.question_files()
    assert len(files) == 20
    with open_store(sample.root) as store:
        assert all(store.sql(file.read_text()).fetchall() for file in files)


def test_the_notebook_runs_on_the_sample(sample: Workspace) -> None:
    code = (
        "import runpy; cells = runpy.run_path('docs/notebooks/feature_store.py'); _, names = cells['app'].run(); "
        "assert names['cohort']['pairs'].sum() == len(names['columns']['eid']) > 0; "
        "assert names['neighbours'].height == 5; assert len(names['links']) > 5; "
        "assert len(names['figure'].axes[0].collections) == 2"
    )
    environment = {**os.environ, "ECCL_WORKSPACE": str(sample.root), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
