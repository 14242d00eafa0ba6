"""One DVC stage as one task: its log is streamed, its failure is ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from eccl.errors import FlowError


@task(name="dvc-stage", cache_policy=NO_CACHE, task_run_name="{stage}")
def run_stage(root: Path, stage: str, on_line: Callable[[str], None] | None = None) -> bool:
    """Reproduce one stage if something it depends on changed; return whether it ran.

    Raises
    ------
    FlowError
        The stage failed; the message ends with its last lines.
    """
    logger = get_run_logger()
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    last: list[str] = []
    ran = False
    # The stages' commands (`eccl`, `python`) are those of this very installation, activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        env={**os.environ, "PATH": path},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.rstrip()
            if not text:
                continue
            ran = ran or text.startswith("Running stage")
            last = [*last[-19:], text]
            logger.info(text)
            if on_line is not None:
                on_line(text)
    if process.returncode:
        raise FlowError(f"stage {stage} failed (exit {process.returncode}); its last lines:\n" + "\n".join(last))
    return ran


def list_stages(root: Path) -> list[str]:
    """Names of all stages, in the order of dvc.yaml, which is an order they can run in."""
    return [line.split()[0] for line in _dvc(root, "stage", "list", "--name-only").splitlines() if line.strip()]


def has_changes(root: Path, stages: list[str]) -> bool:
    """Whether any of the stages would run."""
    return bool(json.loads(_dvc(root, "status", "--json", *stages) or "{}"))


def _dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise FlowError(f"`dvc {arguments[0]}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout
