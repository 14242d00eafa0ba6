"""Devices, precision and compilation of a stage, on Lightning Fabric.

They are no part of a run's identity, although they change the last digits and the random numbers of each device: they
come from the command line or the environment of the machine, and are recorded in run.json.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from eccl.errors import ConfigError
from eccl.sections import Section, check_section
from eccl.training.inputs.sampling import Positions

try:
    from lightning_fabric import Fabric
except ImportError:  # a GPU node may have the large package instead, which holds the same Fabric
    from lightning.fabric import Fabric  # type: ignore[import-not-found,no-redef]

_FABRIC_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}


class RuntimeConfig(Section, strict=False):
    """Use of this machine; every field has an environment variable ``ECCL_<NAME>``."""

    devices: int = Field(
        1,
        ge=1,
        description="processes, each with a GPU, or on a CPU with its share of the cores. Every batch is shared out over "
        "them, and losses are those of the whole batch (a ResNet's batch normalisation sees its own device's part only)",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto is bf16 on a GPU, fp32 on a CPU, where bf16 is several times slower"
    )
    compile: bool = Field(False, description="compile the network; pays off on long runs on a GPU")
    deterministic: bool = Field(
        False,
        description="on a GPU use only kernels that repeat to the bit, which are slower; a CPU always repeats",
    )
    arrays: Literal["auto", "resident", "streamed"] = Field(
        "auto", description="auto holds an array in memory (resident) if it fits into half of what is free"
    )
    checkpoint_seconds: float = Field(
        60.0, description="shortest time between two checkpoints, which are written at the end of an epoch"
    )


def runtime_from_environment(environment: Mapping[str, str] = os.environ, **flags: Any) -> RuntimeConfig:
    """Read the environment; flags that are not None win over it.

    Raises
    ------
    ConfigError
        Lists every value that cannot be read or used.
    """
    variables = {name: environment.get(f"ECCL_{name.upper()}") for name in RuntimeConfig.model_fields}
    given = {**variables, **{name: value for name, value in flags.items() if value is not None}}
    problems: list[str] = []
    values = {name: value for name, value in given.items() if value is not None}
    config = check_section(RuntimeConfig, values, "", problems)
    gpus = torch.cuda.device_count()
    if config is not None and gpus and config.devices > gpus:
        problems.append(f"devices: {config.devices} is more than the {gpus} GPUs of this machine")
    if config is None or problems:
        raise ConfigError(
            "the runtime cannot be used; correct these options, or the variables ECCL_<NAME>:\n  "
            + "\n  ".join(problems)
        )
    return config


class Runtime:
    """The devices of one stage.

    Parameters
    ----------
    config
        Settings; default is one device.
    """

    def __init__(self, config: RuntimeConfig | None = None) -> None:
        self.config = config or RuntimeConfig()
        if self.config.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the GPU is first used
        is_gpu = torch.cuda.is_available()
        chosen = self.config.precision
        self.precision = ("bf16" if is_gpu else "fp32") if chosen == "auto" else chosen
        if not is_gpu and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, count_cores() // self.config.devices))
        self.fabric = Fabric(
            accelerator="cuda" if is_gpu else "cpu",
            devices=self.config.devices,
            strategy="ddp" if self.config.devices > 1 else "auto",
            precision=_FABRIC_PRECISION[self.precision],
        )
        if is_gpu:
            torch.set_float32_matmul_precision("high")
            torch.use_deterministic_algorithms(self.config.deterministic)
            torch.backends.cudnn.benchmark = not self.config.deterministic

    def launch(self) -> None:
        """Start the other processes; each of them runs the same command from its beginning."""
        if self.config.devices > 1:
            self.fabric.launch()

    @property
    def device(self) -> torch.device:
        return torch.device(self.fabric.device)

    @property
    def world(self) -> int:
        """Number of processes."""
        return int(self.fabric.world_size)

    @property
    def rank(self) -> int:
        return int(self.fabric.global_rank)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the stage's files."""
        return self.rank == 0

    @property
    def device_name(self) -> str:
        """Name of the GPU, or ``cpu``."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"

    def record(self) -> dict[str, Any]:
        """Entry of run.json."""
        return {
            "devices": self.world,
            "precision": self.precision,
            "compiled": self.config.compile,
            "deterministic": self.config.deterministic or self.device.type == "cpu",
            "torch": torch.__version__.partition("+")[0],
        }

    def agree(self, value: str) -> str:
        """The first process's value, in every process: choices that decide an order must not differ."""
        return str(self.fabric.broadcast(value)) if self.world > 1 else value

    def share(self, batch: Positions) -> Positions:
        """This process's part of a batch, of equal size in every process and never empty.

        What does not divide by the number of processes is left out; of a batch smaller than that, members are repeated.
        """
        if len(batch) < self.world:
            batch = np.resize(batch, self.world)
        return batch[: len(batch) - len(batch) % self.world][self.rank :: self.world]

    def share_list(self, batches: list[Positions]) -> list[Positions]:
        """Every n-th batch of an evaluation, nothing left out."""
        return batches[self.rank :: self.world]

    def gather(self, values: Tensor) -> Tensor:
        """Rows of all processes, (n, ...) -> (world * n, ...); gradients flow back to their own process."""
        if self.world == 1:
            return values
        return cast(Tensor, self.fabric.all_gather(values, sync_grads=True)).flatten(0, 1)

    def total(self, values: Tensor) -> Tensor:
        """Sum over processes."""
        if self.world == 1:
            return values
        return cast(Tensor, self.fabric.all_reduce(values, reduce_op="sum"))

    def autocast(self) -> AbstractContextManager[Any]:
        """Arithmetic of forward passes outside of training steps."""
        context: AbstractContextManager[Any] = self.fabric.autocast()
        return context

    def prepare(self, task: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[Any, torch.optim.Optimizer]:
        """Wrap a training task and its optimiser for these devices."""
        compiled: Any = torch.compile(task) if self.config.compile else task
        wrapped, moved = self.fabric.setup(compiled, optimiser, move_to_device=False)
        return wrapped, moved

    def seed(self, seed: int, *purpose: int) -> torch.Generator:
        """Seed dropout and return a CPU generator for all other random numbers; both differ between processes.

        Seeds depend on nothing but the arguments and the rank, so an interrupted run continues with the numbers of an undisturbed one.
        """
        # A spawn key, because numpy takes trailing zeros of plain entropy for nothing.
        sequence = np.random.SeedSequence(seed, spawn_key=(*purpose, self.rank))
        state = sequence.generate_state(2, np.uint64)
        torch.manual_seed(int(state[0] >> np.uint64(1)))
        return torch.Generator().manual_seed(int(state[1] >> np.uint64(1)))


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
