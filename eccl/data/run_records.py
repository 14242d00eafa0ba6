"""Records of finished runs: models/<run>/run.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def run_records(models: Path) -> Iterator[dict[str, Any]]:
    """Yield the record of every finished run, sorted by name; temporary files of killed writers are skipped."""
    for file in sorted(models.glob("*/run.json")):
        if not file.parent.name.startswith("."):
            yield json.loads(file.read_text())
