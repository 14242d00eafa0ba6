"""What a person sees of a training: one line an epoch, a bar at a terminal, and curves that DVC draws.

::

    reports/curves/<run>/metrics.json             values of the chosen epoch: `dvc metrics diff`
    reports/curves/<run>/plots/metrics/*.tsv      every epoch: `dvc plots show`
"""

from __future__ import annotations

import importlib.util
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
    """Values of every epoch, through dvclive, or on a node without it as plain files of the same form.

    Parameters
    ----------
    folder
        ``reports/curves/<run>``; what an earlier run left there is replaced.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: Any = None

    def start(self, history: Iterable[Mapping[str, float]]) -> None:
        """Begin with the epochs that a checkpoint remembers."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._live = _open_live(self._folder)
        for entry in history:
            self.add(entry)

    def add(self, entry: Mapping[str, float]) -> None:
        """Values of one epoch."""
        self._live.step = int(entry["epoch"])
        for name, value in entry.items():
            if name != "epoch":
                self._live.log_metric(name, value)
        self._live.make_summary()

    def finish(self, chosen: int, best: Mapping[str, Any]) -> None:
        """Close the curves; the summary tells the epoch whose weights were kept."""
        known = {name: value for name, value in best.items() if value is not None}
        self._live.summary = {"best_epoch": chosen, **known}
        self._live.end()


def _open_live(folder: Path) -> Any:
    if importlib.util.find_spec("dvclive") is None:
        return PlainFiles(folder)
    from dvclive.live import Live

    class FilesOnly(Live):
        def _init_dvc(self) -> None:
            # Live looks for a DVC repository, and makes one in whatever git repository is around if there is none.
            # The curves are outputs of the workspace's own stages and need neither.
            return None

    return FilesOnly(str(folder), save_dvc_exp=False, dvcyaml=None, report=None)


class PlainFiles:
    """dvclive's files for a node that does not have it: one table per value, and a summary."""

    def __init__(self, folder: Path) -> None:
        self.step = 0
        self.summary: dict[str, Any] = {}
        self._folder = folder

    def log_metric(self, name: str, value: float) -> None:
        """Add a value of the current step to its table."""
        path = self._folder / "plots" / "metrics" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.is_file()
        with path.open("a") as stream:
            stream.write(f"step\t{name}\n" * is_new + f"{self.step}\t{value}\n")
        self.summary[name] = value if math.isfinite(value) else str(value)

    def make_summary(self) -> None:
        """Write the latest value of everything."""
        text = json.dumps({**self.summary, "step": self.step}, indent=2)
        (self._folder / "metrics.json").write_text(text + "\n")

    def end(self) -> None:
        """Write the summary for the last time."""
        self.make_summary()


class EpochLines:
    """Prints epochs with rate and time to go.

    Parameters
    ----------
    name
        Name of the run.
    epochs
        How many there will be at most.
    """

    def __init__(self, name: str, epochs: int) -> None:
        self._name, self._epochs = name, epochs
        self._begun: float | None = None
        self._first = 0

    def steps(self, batches: list[T], epoch: int) -> Iterator[T]:
        """Batches of an epoch (0-based), with a bar if somebody watches."""
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
