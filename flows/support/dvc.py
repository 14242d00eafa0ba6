"""DVC commands as tasks: one at a time in a workspace, their lines in the run's log, a failed stage as our own error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from eccl.errors import FlowError
from eccl.versioning.repository import dvc_lock, follow_dvc
from flows.support.policy import dvc_wait_s, workspace_tag


def one_dvc_command(root: Path, what: str) -> AbstractContextManager[None]:
    """Hold a workspace for one DVC command.

    The limit :func:`flows.support.policy.workspace_tag` separates flow runs of one server; this lock works without a server too.
    """
    return dvc_lock(root, what, dvc_wait_s())


def run_stage(root: Path, stage: str, on_line: Callable[[str], None] | None = None, tags: tuple[str, ...] = ()) -> bool:
    """Reproduce one stage if something it depends on changed; return whether it ran.

    Parameters
    ----------
    on_line
        Called with every line of the stage's output, which the run's log holds too.
    tags
        Further limits that the stage counts against.

    Raises
    ------
    FlowError
        The stage failed; the message ends with its last lines.
    LockedError
        Another DVC command held the workspace for too long.
    """
    return dvc_stage.with_options(tags=[workspace_tag(root), *tags])(root, stage, on_line)


@task(name="dvc-stage", cache_policy=NO_CACHE, task_run_name="{stage}")
def dvc_stage(root: Path, stage: str, on_line: Callable[[str], None] | None = None) -> bool:
    """Run ``dvc repro`` for one stage. A failed stage is not tried again: it would fail the same way."""
    logger = get_run_logger()
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        logger.info(line)
        if on_line is not None:
            on_line(line)

    with one_dvc_command(root, f"dvc repro {stage}"):
        status = follow_dvc(root, "repro", "--single-item", stage, on_line=take)
    if status:
        raise FlowError(f"stage {stage} failed (exit {status}); its last lines:\n" + "\n".join(lines[-20:]))
    return any(line.startswith("Running stage") for line in lines)
