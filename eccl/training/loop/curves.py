"""Progress of a training: one line per epoch, a bar at a terminal, and curves that DVC draws.

::

    reports/curves/<run>/metrics.json             values of the chosen epoch: `dvc metrics diff`
    reports/curves/<run>/plots/metrics/*.tsv      every epoch: `dvc plots show`
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_HIDDEN = frozenset({"epoch", "learning_rate"})


class Curves:
    """Values of every epoch in files that ``dvc plots`` and ``dvc metrics`` read.

    Parameters
    ----------
    folder
        ``reports/curves/<run>``; files of an earlier run are replaced.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, history: Iterable[Mapping[str, float]]) -> None:
        """Begin with the epochs of a checkpoint."""
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "plots" / "metrics").mkdir(parents=True)
        for entry in history:
            self.add(entry)

    def add(self, entry: Mapping[str, float]) -> None:
        """Add the values of one epoch to their tables, and make them the summary."""
        step, values = int(entry["epoch"]), {name: value for name, value in entry.items() if name != "epoch"}
        for name, value in values.items():
            path = self._folder / "plots" / "metrics" / f"{name}.tsv"
            header = "" if path.is_file() else f"step\t{name}\n"
            with path.open("a") as stream:
                stream.write(f"{header}{step}\t{value}\n")
        known = {name: value if math.isfinite(value) else str(value) for name, value in values.items()}
        self._summarise(**known, step=step)

    def finish(self, epochs: int, chosen: int, best: Mapping[str, Any]) -> None:
        """Write the summary of the epoch whose weights are kept."""
        known = {name: value for name, value in best.items() if value is not None}
        self._summarise(best_epoch=chosen, **known, step=epochs)

    def _summarise(self, **values: Any) -> None:
        (self._folder / "metrics.json").write_text(json.dumps(values, indent=2) + "\n")


class EpochLines:
    """Prints epochs with their rate and the remaining time.

    Parameters
    ----------
    name
        Name of the run.
    epochs
        Largest number of epochs.
    """

    def __init__(self, name: str, epochs: int) -> None:
        self._name, self._epochs = name, epochs
        self._begun: float | None = None
        self._first = 0

    def steps(self, batches: list[T], epoch: int) -> Iterator[T]:
        """Batches of an epoch (0-based), with a bar at a terminal."""
        if self._begun is None:
            self._begun, self._first = time.perf_counter(), epoch
        if not sys.stderr.isatty():
            yield from batches
            return
        from tqdm import tqdm

        label = f"{self._name} {epoch + 1}/{self._epochs}"
        yield from tqdm(batches, desc=label, unit="batch", leave=False, dynamic_ncols=True)

    def report(self, entry: Mapping[str, float], samples_per_second: float) -> None:
        """Print one finished epoch."""
        epoch = int(entry["epoch"])
        spent = time.perf_counter() - (self._begun or time.perf_counter())
        left = spent / max(epoch - self._first, 1) * (self._epochs - epoch)
        values = "  ".join(f"{key} {value:.4g}" for key, value in entry.items() if key not in _HIDDEN)
        print(
            f"{self._name}  epoch {epoch}/{self._epochs}  lr {entry['learning_rate']:.3g}  {values}  "
            f"{samples_per_second:.0f}/s  left {_clock(left)}",
            flush=True,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
