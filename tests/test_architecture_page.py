"""docs/architecture.md agrees with the code: its paths exist, and it lists every package in the order of the import contract."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOTS = (ROOT, ROOT / "eccl", ROOT / "docs")
PLAIN = re.compile(r"`((?:[\w.-]+/)+[\w.-]+)`")


def test_every_path_of_the_page_exists() -> None:
    paths = {path for path in PLAIN.findall(PAGE) if "<" not in path and not path.startswith(("data/", "reports/"))}
    assert len(paths) > 30
    assert sorted(path for path in paths if not any((root / path).exists() for root in ROOTS)) == []


def test_every_package_is_listed_and_lower_layers_follow() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [re.findall(r"\w+", layer) for layer in next(c for c in contracts if c["type"] == "layers")["layers"]]
    places = [[PAGE.index(f"`eccl.{package}`") for package in layer] for layer in layers]
    packages = {path.name for path in Path(ROOT / "eccl").iterdir() if (path / "__init__.py").is_file()}
    assert packages <= {package for layer in layers for package in layer}
    assert all(min(lower) > max(upper) for upper, lower in zip(places, places[1:], strict=False))
