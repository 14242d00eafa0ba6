"""What Prefect tries again, how long a flow may take, and which limits apply to a task.

Only input and output are tried again: a full queue, a mount or bucket that does not answer, a worker that died. Our own
errors (a failed gate, counts that disagree, a lock that is held) have the same result the second time.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from eccl.errors import ConfigError, EcclError, SourceError, WorkerError

GPU_TAG = "gpu"


def is_worth_retrying(error: BaseException) -> bool:
    """Whether the same step may succeed later: input and output, a source out of reach, a worker that died."""
    if isinstance(error, EcclError):
        return isinstance(error, SourceError | WorkerError)
    return isinstance(error, (OSError, BrokenExecutor))


def retry_io(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Prefect's condition for trying a task again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_worth_retrying(error)


# Delays of 10, 20 and 40 s, each longer by up to half at random, so that workers do not retry all at once.
IO_RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=10),
    "retry_jitter_factor": 0.5,
}


def timeout_s(flow: str, hours: float) -> float:
    """Seconds after which a flow is stopped; ``ECCL_TIMEOUT_HOURS_<FLOW>`` overrides the hours."""
    return _number(f"ECCL_TIMEOUT_HOURS_{flow.partition('-')[0].upper()}", hours) * 3600


def dvc_wait_s() -> float:
    """Seconds that a DVC command waits for another one in the same workspace; ``ECCL_DVC_WAIT_S``, default is an hour."""
    return _number("ECCL_DVC_WAIT_S", 3600.0)


def workspace_tag(root: Path) -> str:
    """Name of the limit "one DVC command at a time" of one workspace."""
    return f"dvc-{root.name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if number <= 0:
        raise ConfigError(f"{name} is {text!r}; expected a number above 0; correct it, or unset it for {default:g}")
    return number
