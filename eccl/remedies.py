"""What to do about each reason for quarantining a file: one sentence per reason, in ``remedies.yaml``.

The sentence is stored with every quarantined file (`quarantine.remedy`); docs/reference/quarantine.md describes the typical
causes. A test compares reasons, remedies and page.
"""

from __future__ import annotations

import functools
from pathlib import Path

from eccl.errors import Reason
from eccl.yaml_text import parse_yaml


def remedy(reason: Reason) -> str:
    """Return one sentence: what to do about a file or row quarantined for this reason."""
    return _read_remedies()[reason]


@functools.cache
def _read_remedies() -> dict[str, str]:
    found: dict[str, str] = parse_yaml(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return found
