"""docs/reference/dirty-input.md lists exactly the cases that the tests run."""

from __future__ import annotations

from tests.support.paths import ROOT
from tests.support.scripts import load_script


def test_page_is_made_from_the_cases() -> None:
    page = (ROOT / "docs" / "reference" / "dirty-input.md").read_text(encoding="utf-8")
    assert page == load_script("dirty_input").page(), "run `python docs/scripts/dirty_input.py`"
