"""What importing costs, by what it loads; the time itself is in benchmarks/."""

from __future__ import annotations

import json
import subprocess
import sys

LIST = "import sys, json; {statement}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST.format(statement=statement)], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"torch", "prefect", "great_expectations", "duckdb", "polars", "zarr", "timm", "pydantic", "numpy"}
    assert not loaded_by("import eccl") & heavy


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("import eccl.commands.app") & {
        "torch",
        "prefect",
        "great_expectations",
        "duckdb",
        "polars",
        "zarr",
    }


def test_a_training_node_needs_few_packages() -> None:
    not_installed = {
        "duckdb", "polars", "zarr", "typer", "rich", "prefect", "great_expectations", "pydicom", "lxml", "dvc",
    }  # fmt: skip
    stages = ", ".join(f"eccl.training.stages.{name}" for name in ("pretrain_ecg", "pretrain_cmr", "align"))
    assert not loaded_by(f"import {stages}") & not_installed


def test_telemetry_is_off_unless_the_user_says_otherwise() -> None:
    command = "import os; os.environ.pop('DO_NOT_TRACK', None); import eccl; print(os.environ['DO_NOT_TRACK'], \
os.environ['PREFECT_SERVER_ANALYTICS_ENABLED'], os.environ['DVC_NO_ANALYTICS'])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "false", "true"]
