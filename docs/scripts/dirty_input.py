"""Write docs/reference/dirty-input.md from the cases that the tests in tests/dirty ingest.

python docs/scripts/dirty_input.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "dirty-input.md"

_INTRODUCTION = """# Dirty input: every trap and its outcome

Real files break rules, and some files are made to do harm. Each line below is one generated file. A test writes all of them
into one raw folder, ingests it once, and compares tables and quarantine with this list (`tests/dirty`); the page is generated
from the same list (`python docs/scripts/dirty_input.py`).

Outcomes: *accepted* files are ingested; *flagged* ones too, and `flags` of their row lists the remarks; *repaired* ones
too, and the named column records the repair; *quarantined* ones become a row of `quarantine` with the reason
([quarantine](quarantine.md)). All other files of the batch are written in every case.

Sources: the traps of A1 and A5 (ECG), B1 to B3 (cine) and C1 to C8 (tables) occur in real data or break programs that read
it; *hostile* ones are made to do harm.

## What holds for any file

- A file is read in a separate process, with limits on time, memory, size, members and pixels (`limits` in `params.yaml`).
- XML: no document type is accepted, so there is no entity to expand and nothing external to fetch; the file is read as a
  stream, and what is kept of it is bounded in length, number and depth.
- Zip: the directory's own size, the number of files, stated sizes, ratios and overlaps are checked before anything is
  unpacked; only stored and deflated files are read; members are read into memory, and their paths are never used.
- DICOM: headers are read up to 1 MiB; a decoder is started only where the header and the codestream agree on an image of
  the study's size; deflated files are not inflated.
- Tables: no line of more than 4 MiB, no more than 100,000 columns, no list of more than 32,767 values.
- Nothing is written outside the workspace's data, and no message contains a participant id or text of a file.
"""


class Trap(Protocol):
    """The part of a case that the page shows."""

    @property
    def section(self) -> str: ...
    @property
    def trap(self) -> str: ...
    def in_words(self) -> str: ...


def page() -> str:
    """The page, as Markdown."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from tests.dirty import cine_cases, ecg_cases, hostile_zips, list_cases, table_cases

    parts = [
        _INTRODUCTION,
        _section("ECG", ecg_cases.CASES),
        _section("Cine", (*cine_cases.CASES, *hostile_zips.CASES)),
        _section("Tables", table_cases.CASES),
        _section("Withdrawal lists", list_cases.LISTS),
        _section("The raw folder", list_cases.PLACES),
    ]
    return "\n".join(parts)


def _section(title: str, cases: Iterable[Trap]) -> str:
    lines = [f"## {title}", "", "| source | trap | outcome |", "|---|---|---|"]
    lines += [f"| {case.section} | {_cell(case.trap)} | {_cell(case.in_words())} |" for case in cases]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
