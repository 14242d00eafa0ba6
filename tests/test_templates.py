"""Templates of reports: a missing value is an error, and HTML is escaped."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

import eccl
from eccl.quality.results import GateReport, ValidationRow
from eccl.templates import render

TEMPLATES = sorted(path.relative_to(Path(eccl.__file__).parent) for path in Path(eccl.__file__).parent.rglob("*.jinja"))


def test_html_is_escaped() -> None:
    row = ValidationRow("a<b", "pairs", "expect_x", None, "critical", False, None, None, "0 < 1 & 2", "{}")
    page = render(
        "quality/summary.html.jinja", report=GateReport("failed", "v", (row,), "0", "x > y", Path("reports/gate"))
    )
    assert "0 &lt; 1 &amp; 2" in page
    assert "a<b" not in page
    assert "x &gt; y" in page


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_missing_value_is_an_error(template: Path) -> None:
    with pytest.raises(UndefinedError):
        render(template.as_posix())
