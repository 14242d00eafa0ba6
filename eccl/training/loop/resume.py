"""Checkpoints: where an interrupted run goes on.

::

    .eccl/checkpoints/<run_id>.pt      written aside and renamed at the end of an epoch, removed once the run is saved

Randomness is seeded anew from (seed, epoch) in every epoch, so weights, optimiser and history are all there is to keep.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from eccl.data.files import aside


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
        What else the weights depend on (precision, devices, order of the arrays, versions of torch and this code); a
        checkpoint of another kind is told, and not continued.
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
            told = ", ".join(f"{name} {before.get(name)} then, {now.get(name)} now" for name in differs)
            print(f"a checkpoint of this run is not continued: {told}; training starts anew", flush=True)
            return None
        state: dict[str, Any] = found["state"]
        return state

    def is_due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self._last >= self._every

    def is_worthwhile(self) -> bool:
        """Whether training took so long that its end should be kept until the features are written too."""
        return time.monotonic() - self._begun >= self._every

    def save(self, state: dict[str, Any]) -> None:
        """Keep the state of a finished epoch."""
        with aside(self.path) as temporary:
            torch.save({"arithmetic": self._arithmetic, "state": state}, temporary)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Forget it and those of earlier parameters of the run: everything is written."""
        run = self.path.name.rpartition("-")[0]
        for path in self.path.parent.glob(f"{run}-*.pt"):
            path.unlink()
