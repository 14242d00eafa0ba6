"""What is tried again, how long a flow may take, and who waits for whom.

Only input and output are tried again: a full queue, a mount that is away, a bucket that does not answer, a worker that
died. An error of ours (a failed gate, counts that disagree, a lock that is held) says the same the second time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from eccl.errors import ConfigError, EcclError, FlowError, SourceError, WorkerError

P = ParamSpec("P")
R = TypeVar("R")

# Wall-clock hours after which a flow is stopped. Generous: a limit for what hangs, not for what is large.
HOURS = {"ingest": 24.0, "validate": 6.0, "train": 21 * 24.0, "publish": 6.0, "withdraw": 24.0, "cohort": 22 * 24.0}
DVC_WAIT_S = 3600.0

# Delays of 10, 20 and 40 s, each stretched by up to half, so that workers do not come back all at once.
IO_RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=10),
    "retry_jitter_factor": 0.5,
}


def is_worth_retrying(error: BaseException) -> bool:
    """Whether the same step may succeed later: input and output, a source out of reach, a worker that died."""
    if isinstance(error, EcclError):
        return isinstance(error, SourceError | WorkerError)
    return isinstance(error, (OSError, BrokenExecutor))


def retry_io(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Tell Prefect whether a task is tried again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_worth_retrying(error)


def timeout_s(flow: str) -> float:
    """Seconds after which a flow is stopped; ``ECCL_TIMEOUT_HOURS_<FLOW>`` overrides the hours."""
    return _number(f"ECCL_TIMEOUT_HOURS_{flow.upper()}", HOURS[flow]) * 3600


def step(flow: Flow[P, R]) -> Flow[P, R]:
    """Return a flow as a step of another one, whose timeout then holds for both."""
    return flow.with_options(timeout_seconds=0)  # 0 is none


def checkout_tag(root: Path) -> str:
    """Name of the limit "one DVC command at a time" of one checkout."""
    return f"dvc-{root.name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"


GPU_TAG = "gpu"


@contextmanager
def one_dvc_command(root: Path, what: str, wait_s: float | None = None) -> Iterator[None]:
    """Hold a checkout for one DVC command; wait for whoever holds it.

    DVC refuses to run twice in one checkout. Prefect's limit (:func:`checkout_tag`) keeps flow runs apart; this lock holds
    without a server too, and the kernel releases it when its holder dies.

    Raises
    ------
    FlowError
        Somebody else held it for too long (``ECCL_DVC_WAIT_S``, by default an hour).
    """
    limit = _number("ECCL_DVC_WAIT_S", DVC_WAIT_S) if wait_s is None else wait_s
    path = root / ".eccl" / "dvc.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        until = time.monotonic() + limit
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise FlowError(
                        f"this checkout is busy with `{path.read_text() or 'another command'}` for more than {limit:.0f} s; "
                        f"`{what}` was not started. Run the flow again when that has ended, or raise ECCL_DVC_WAIT_S"
                    ) from None
                time.sleep(min(1.0, limit / 10))
        stream.seek(0)
        stream.truncate()
        stream.write(f"{what}, process {os.getpid()}")
        stream.flush()
        try:
            yield
        finally:
            stream.seek(0)
            stream.truncate()


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if number <= 0:
        raise ConfigError(f"{name} is {text!r}; expected a number above 0; correct it, or unset it for {default:g}")
    return number
