"""The documentation site builds without a broken link and loads nothing from the network; generated pages are current."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(https?:[^\"\s>]+)")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return load_script("reference")


@pytest.mark.parametrize("name", ["reference/parameters.md", "reference/expectations.md", "decisions/index.md"])
def test_a_generated_page_is_current(reference: ModuleType, name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    assert page == reference.PAGES[name](), "run `python docs/scripts/reference.py`"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a broken link or anchor is an error."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
def test_no_page_of_the_site_loads_anything_from_the_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert {address for page in pages for address in LOADED.findall(page.read_text())} == set()


@pytest.mark.slow
def test_the_search_index_covers_every_section(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    places = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"tutorial.html", "architecture.html", "reference/tables.html", "how-to/withdraw.html"} <= places


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in text and not page.startswith("decisions/0")] == []
