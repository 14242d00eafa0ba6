"""What every stage starts from: workspace, configuration, gate and device, checked before any array is read."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from eccl.errors import ConfigError
from eccl.store.gate import GateStatus, require_green
from eccl.training.config import TASKS, TrainingParams, load_params
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """One stage's surroundings."""

    workspace: Workspace
    params: TrainingParams
    gate: GateStatus
    device: torch.device
    task: str | None

    @property
    def data_version(self) -> str:
        return self.gate.data_version

    @property
    def device_name(self) -> str:
        """Name of the GPU, or ``cpu``."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"


def open_session(workspace: Workspace, stage: str, task: str | None) -> Session:
    """Check configuration and gate, and choose the device.

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
    gate = require_green(workspace)
    return Session(workspace, params, gate, choose_device(), task)


def choose_device() -> torch.device:
    """First GPU if there is one, else the CPU with as many threads as the process may use."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return torch.device("cpu")
