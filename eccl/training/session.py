"""What every stage starts from: workspace, configuration, gate and devices, checked before any array is read."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from eccl.errors import ConfigError
from eccl.store.gate import GateStatus, require_green
from eccl.training.config import TASKS, TrainingParams, check_devices, load_params
from eccl.training.runtime import Runtime, RuntimeConfig
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """One stage's surroundings."""

    workspace: Workspace
    params: TrainingParams
    gate: GateStatus
    runtime: Runtime
    task: str | None

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


def open_session(workspace: Workspace, stage: str, task: str | None, runtime: RuntimeConfig | None = None) -> Session:
    """Check configuration and gate, and take the devices.

    Raises
    ------
    ConfigError
        The stage does not take this task, or params.yaml has problems.
    GateError
        The gate is missing, red without an override, or belongs to other data.
    """
    if stage == "pretrain_ecg" and task is not None:
        raise ConfigError(f"pretrain_ecg has no task, found {task!r}; leave --task out")
    if stage != "pretrain_ecg" and task not in TASKS:
        raise ConfigError(f"{stage} needs --task, one of {', '.join(TASKS)}; found {task!r}")
    params = load_params(workspace.params_file)
    config = runtime or RuntimeConfig()
    check_devices(params.preset, config.devices)
    gate = require_green(workspace)
    return Session(workspace, params, gate, Runtime(config), task)
