"""Fixtures of the gate's tests: a valid cohort, and how to run suites on it."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eccl.quality.engine import Engine
from eccl.quality.frames import read_limits
from eccl.quality.gate import run_suites
from eccl.quality.results import ValidationRow
from eccl.quality.suites import column_name, load_suites
from eccl.workspace import Workspace


def _load_sibling(name: str) -> ModuleType:
    # Tests are imported by path (importlib mode), so a module beside them is no import of theirs.
    spec = importlib.util.spec_from_file_location(f"quality_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cohort() -> ModuleType:
    """The module that makes and writes cohorts."""
    return _load_sibling("cohort")


@pytest.fixture(scope="session")
def whole() -> ModuleType:
    """The module that makes a workspace with everything in it."""
    return _load_sibling("whole")


@pytest.fixture
def tables(valid: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """A valid cohort that a test may break."""
    return copy.deepcopy(valid)


@pytest.fixture(scope="session")
def valid(cohort: ModuleType) -> dict[str, list[dict[str, Any]]]:
    """A valid cohort, made once."""
    return cohort.valid_cohort()  # type: ignore[no-any-return]


@pytest.fixture
def run() -> Callable[..., list[ValidationRow]]:
    """Run the named suites, or only what they say of one column, on a workspace and return their rows."""

    def _run(workspace: Workspace, *names: str, column: str | None = None) -> list[ValidationRow]:
        suites = [suite for suite in load_suites() if suite.name in names]
        assert len(suites) == len(names)
        if column is not None:
            suites = [
                replace(
                    suite, expectations=tuple(found for found in suite.expectations if column_name(found) == column)
                )
                for suite in suites
            ]
        return run_suites(workspace, Engine(read_limits(workspace)), suites)

    return _run
