"""What finished runs say of themselves: models/<run>/run.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def run_records(models: Path) -> Iterator[dict[str, Any]]:
    """Records of every finished run, by name; what a killed writer left beside them is none."""
    for file in sorted(models.glob("*/run.json")):
        if not file.parent.name.startswith("."):
            yield json.loads(file.read_text())
