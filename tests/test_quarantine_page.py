"""The page, the enumeration and the remedies know the same reasons; so does the gate's suite."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from eccl.errors import Reason
from eccl.remedies import remedy

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(
    r"^\| `(?P<reason>[a-z_]+)` \| (?P<meaning>[^|]+) \| (?P<cause>[^|]+) \| (?P<remedy>[^|]+) \|$", re.MULTILINE
)
REASONS = sorted(reason.value for reason in Reason)


def test_page_lists_every_reason_once() -> None:
    page = (ROOT / "docs" / "reference" / "quarantine.md").read_text(encoding="utf-8")
    assert sorted(match["reason"] for match in ROW.finditer(page)) == REASONS


def test_suite_knows_the_same_reasons() -> None:
    suite = json.loads((ROOT / "schemas" / "expectations" / "quarantine.json").read_text(encoding="utf-8"))
    [known] = [
        found["kwargs"]["value_set"]
        for found in suite["expectations"]
        if found["type"] == "expect_column_values_to_be_in_set" and found["kwargs"]["column"] == "reason"
    ]
    assert sorted(known) == REASONS


@pytest.mark.parametrize("reason", Reason)
def test_remedy_is_one_sentence(reason: Reason) -> None:
    sentence = remedy(reason)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) <= 120
    assert not re.search(r"\d{7}", sentence)


def test_remedies_are_not_copies_of_each_other() -> None:
    assert len({remedy(reason) for reason in Reason}) == len(REASONS)
