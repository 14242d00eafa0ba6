"""Folders that tests read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

REAL_FILES = ROOT / "tests" / "data" / "real_files"
"""Real ECG and MR files that may be redistributed; sources and licences are in its README."""

SAMPLES = Path(os.environ.get("ECCL_SHARED_DATA", ROOT.parent / "shared" / "data"))
"""More real files, which are not redistributed with the project; tests that need them are skipped where they are absent."""

SUNNYBROOK_STUDY = SAMPLES / "cmr_sunnybrook" / "SCD0000101.zip"
"""A whole cine study."""

SUNNYBROOK_SLICES = REAL_FILES / "sunnybrook_SCD0000101_slices_7_to_9.zip"
"""Three slices of it, with contours."""


CARDIOSOFT_ECG = SAMPLES / "ecg_cardiosoft" / "example1.xml"
"""A resting ECG in the format of field 20205."""

MUSE_ECG = SAMPLES / "ecg_muse" / "example1.xml"
"""An ECG in a format that the project does not read."""


def needs(path: Path) -> pytest.MarkDecorator:
    """Skip a test where a file that may not be redistributed is absent."""
    return pytest.mark.skipif(not path.exists(), reason=f"{path} does not exist; set ECCL_SHARED_DATA")
