"""Surroundings of a stage: workspace, configuration, gate and devices, checked before any array is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from eccl.errors import ConfigError
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.training.runs import Run, RunIdentity, RunNames, identify, own_names
from eccl.training.settings import (
    ALL,
    TASKLESS,
    TASKS,
    StageConfig,
    TrainingParams,
    check_devices,
    load_params,
)
from eccl.versioning.gate import GateStatus, require_passed_gate
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that one training stage works with."""

    workspace: Workspace
    params: TrainingParams
    gate: GateStatus
    runtime: Runtime
    task: str | None
    names: RunNames

    @property
    def data_version(self) -> str:
        return self.gate.data_version

    @property
    def device(self) -> torch.device:
        return self.runtime.device

    @property
    def threads(self) -> int:
        """Threads of the CPU's arithmetic: sums are split among them, so their number is part of the last digit."""
        return torch.get_num_threads() if self.device.type == "cpu" else 0

    def identify(
        self, stage: str, task: str | None, config: StageConfig, parents: Sequence[Run] = (), **params: Any
    ) -> RunIdentity:
        """Name the run of a stage, and seed all that it draws at random.

        Parameters
        ----------
        config
            The stage's section of the preset.
        params
            Parameters outside this section that the run depends on.
        """
        content = {"config": config.model_dump(), **params}
        identity = identify(stage, task, self.params.name, content, self.data_version, parents, self.names)
        self.runtime.seed(config.seed)
        return identity


def open_session(
    workspace: Workspace,
    stage: str,
    task: str | None,
    runtime: RuntimeConfig | None = None,
    params: TrainingParams | None = None,
    names: RunNames | None = None,
) -> Session:
    """Check configuration and gate, and take the devices.

    Parameters
    ----------
    params, names
        Configuration and names of an arm; by default those of the workspace's own stage.

    Raises
    ------
    ConfigError
        The stage does not take this task, or params.yaml has problems.
    GateError
        The gate is missing, failed without an override, or belongs to other data.
    """
    known = TASKS if stage == "probe" else (*TASKS, ALL)
    if stage in TASKLESS and task is not None:
        raise ConfigError(f"{stage} has no task, found {task!r}; leave --task out")
    if stage not in TASKLESS and task not in known:
        raise ConfigError(f"{stage} needs --task, one of {', '.join(known)}; found {task!r}")
    params = params or load_params(workspace.params_file)
    config = runtime or RuntimeConfig()
    check_devices(params.preset, config.devices)
    gate = require_passed_gate(workspace)
    return Session(workspace, params, gate, Runtime(config), task, names or own_names(stage, task))
