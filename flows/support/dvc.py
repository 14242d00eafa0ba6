"""One DVC stage as one task: its log is streamed, its failure is ours."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from eccl.errors import FlowError
from flows.support.policy import checkout_tag, one_dvc_command

_STOP_S = 20.0


def run_stage(root: Path, stage: str, on_line: Callable[[str], None] | None = None, tags: tuple[str, ...] = ()) -> bool:
    """Reproduce one stage if something it depends on changed; return whether it ran.

    One DVC command runs at a time in a checkout; `tags` name further limits it counts against.

    Raises
    ------
    FlowError
        The stage failed; the message ends with its last lines. Or the checkout stayed busy.
    """
    return dvc_stage.with_options(tags=[checkout_tag(root), *tags])(root, stage, on_line)


@task(name="dvc-stage", cache_policy=NO_CACHE, task_run_name="{stage}")
def dvc_stage(root: Path, stage: str, on_line: Callable[[str], None] | None = None) -> bool:
    """Run ``dvc repro`` for one stage. It is not tried again: a stage that failed says the same the second time."""
    logger = get_run_logger()
    last: list[str] = []
    ran = False
    with one_dvc_command(root, f"dvc repro {stage}"), _started(root, "repro", "--single-item", stage) as process:
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


@contextlib.contextmanager
def _started(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    # The stages' commands (`eccl`, `python`) are those of this very installation, activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        # Of this checkout, whatever workspace a worker's own environment names.
        env={**os.environ, "PATH": path, "ECCL_WORKSPACE": str(root)},
        start_new_session=True,
    )
    with process:
        try:
            yield process
            process.wait()
        except BaseException:  # a timeout, a cancellation, Ctrl-C: the stage goes with its flow
            _stop(process)
            raise


def _stop(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
            return


def list_stages(root: Path) -> list[str]:
    """Names of all stages, in the order of dvc.yaml, which is an order they can run in."""
    return [line.split()[0] for line in _dvc(root, "stage", "list", "--name-only").splitlines() if line.strip()]


def has_changes(root: Path, stages: list[str]) -> bool:
    """Whether any of the stages would run."""
    with one_dvc_command(root, "dvc status"):
        return bool(json.loads(_dvc(root, "status", "--json", *stages) or "{}"))


def _dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise FlowError(f"`dvc {arguments[0]}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout
