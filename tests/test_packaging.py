"""A wheel holds what the package asks :func:`eccl.workspace.shipped` for, and what a new workspace is made of."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
INCLUDED: dict[str, str] = WHEEL["force-include"]


def _asked_for() -> set[str]:
    """First arguments of ``shipped(...)`` that are written as text."""
    files = [file for package in WHEEL["packages"] for file in (ROOT / package).rglob("*.py")]
    return {name for file in files for name in re.findall(r"shipped\(\"([^\"]+)\"", file.read_text())}


def test_what_the_code_asks_for_is_in_the_wheel() -> None:
    asked = _asked_for()
    assert asked >= {"schemas", "dvc.yaml", "params.yaml"}
    assert [name for name in asked if name not in INCLUDED] == []


def test_every_file_of_the_experiments_folder_is_in_the_wheel() -> None:
    files = {
        path.name for path in (ROOT / "experiments").iterdir() if path.is_file() and path.name != "test_access.json"
    }
    assert {Path(name).name for name in INCLUDED if name.startswith("experiments/")} == files


def test_what_the_wheel_takes_exists_and_lands_where_it_is_looked_for() -> None:
    for source, place in INCLUDED.items():
        assert (ROOT / source).exists()
        assert place == f"eccl/_shipped/{source}"
