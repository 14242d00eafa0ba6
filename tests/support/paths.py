"""Folders that tests read."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

REAL_FILES = ROOT / "tests" / "data" / "real_files"
"""Real ECG and MR files that may be redistributed; sources and licences are in its README."""

SAMPLES = Path(os.environ.get("ECCL_SHARED_DATA", ROOT.parent / "shared" / "data"))
"""Real files that may not be redistributed; tests that need them are skipped where the folder is absent."""
