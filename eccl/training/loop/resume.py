"""Checkpoints, from which an interrupted run continues.

::

    .eccl/checkpoints/<run_id>.pt      written whole at the end of an epoch, removed once the run is saved

Random numbers are seeded from (seed, epoch) in every epoch, so a checkpoint holds weights, optimiser and history alone.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from eccl.data.files import atomic_path


class Checkpoint:
    """The checkpoint of one run.

    Parameters
    ----------
    folder
        Folder of checkpoints, never versioned.
    run_id
        Content id of the run: equal ids compute the same.
    every_seconds
        Shortest time between two checkpoints.
    arithmetic
        Other settings that the weights depend on (precision, devices, order of the arrays, versions of torch and this code); a
        checkpoint of another kind is reported and not continued.
    """

    def __init__(self, folder: Path, run_id: str, every_seconds: float, arithmetic: dict[str, Any]) -> None:
        self.path = folder / f"{run_id}.pt"
        self._every = every_seconds
        self._arithmetic = arithmetic
        self._begun = self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """State of the last finished epoch; None where there is none, or none that fits."""
        if not self.path.is_file():
            return None
        found: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        before, now = found["arithmetic"], self._arithmetic
        differs = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if differs:
            changes = ", ".join(f"{name} {before.get(name)} then, {now.get(name)} now" for name in differs)
            print(f"a checkpoint of this run is not continued: {changes}; training starts again", flush=True)
            return None
        state: dict[str, Any] = found["state"]
        return state

    def is_due(self) -> bool:
        """Whether the next checkpoint is due."""
        return time.monotonic() - self._last >= self._every

    def is_worthwhile(self) -> bool:
        """Whether training took long enough to keep its end until the features are written."""
        return time.monotonic() - self._begun >= self._every

    def save(self, state: dict[str, Any]) -> None:
        """Write the state of a finished epoch."""
        with atomic_path(self.path) as temporary:
            torch.save({"arithmetic": self._arithmetic, "state": state}, temporary)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Remove it and those of earlier parameters of the run."""
        run = self.path.name.rpartition("-")[0]
        for path in self.path.parent.glob(f"{run}-*.pt"):
            path.unlink()
