"""Whether machine and installation are fit for a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator

from eccl.errors import ConfigError
from eccl.operations.checks import PROBLEM, Check, ok, problem, warning
from eccl.operations.installation import check_installation
from eccl.workspace import Workspace


def examine(
    workspace: Workspace | None, *, workers: int | None = None, import_torch: bool = False
) -> tuple[Check, ...]:
    """Examine the installation, and the machine and its surroundings for a workspace. Nothing is changed.

    Parameters
    ----------
    workspace
        None where there is none: only the installation is examined.
    workers
        Worker processes to reckon memory for; default is one per processor.
    import_torch
        Import torch too, in a process of its own; takes seconds.
    """
    return tuple(_examine(workspace, workers or os.cpu_count() or 1, import_torch))


def is_fit(checks: tuple[Check, ...]) -> bool:
    """Whether no check found a problem."""
    return all(check.state != PROBLEM for check in checks)


def _examine(workspace: Workspace | None, workers: int, import_torch: bool) -> Iterator[Check]:
    yield from check_installation(import_torch=import_torch)
    if workspace is None:
        yield warning(
            "workspace", "none here: machine and surroundings were not examined", "`eccl init FOLDER`, or go to one"
        )
        return
    from eccl.config import load_params
    from eccl.operations.machine import check_machine
    from eccl.operations.places import check_places

    try:
        params = load_params(workspace.params_file)
    except ConfigError as error:
        yield problem("params.yaml", str(error), "mend the file")
    else:
        yield ok("params.yaml", f"fits; preset {params.preset}")
        yield from check_machine(workspace, params, workers)
    yield from check_places(workspace)
