"""docs/reference/dirty-input.md lists exactly the cases that the tests run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_page_is_made_from_the_cases() -> None:
    spec = importlib.util.spec_from_file_location("dirty_input", ROOT / "docs" / "scripts" / "dirty_input.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "reference" / "dirty-input.md").read_text(encoding="utf-8")
    assert page == module.page(), "run `python docs/scripts/dirty_input.py`"
