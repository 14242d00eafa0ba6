"""What a person sees of a training: one line an epoch, a bar at a terminal, and curves that DVC draws.

::

    reports/curves/<run>/metrics.json             values of the chosen epoch: `dvc metrics diff`
    reports/curves/<run>/plots/metrics/*.tsv      every epoch: `dvc plots show`
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_HIDDEN = frozenset({"epoch", "learning_rate"})


class Curves:
    """Values of every epoch, through dvclive; silently nothing on a node without it, where run.json keeps them.

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
        if importlib.util.find_spec("dvclive") is None:
            return
        from dvclive.live import Live

        class FilesOnly(Live):
            def _init_dvc(self) -> None:
                # Live looks for a DVC repository, and makes one in whatever git repository is around if there is
                # none. The curves are outputs of the workspace's own stages and need neither.
                return None

        shutil.rmtree(self._folder, ignore_errors=True)
        self._live = FilesOnly(str(self._folder), save_dvc_exp=False, dvcyaml=None, report=None)
        for entry in history:
            self.add(entry)

    def add(self, entry: Mapping[str, float]) -> None:
        """Values of one epoch."""
        if self._live is None:
            return
        self._live.step = int(entry["epoch"])
        for name, value in entry.items():
            if name != "epoch":
                self._live.log_metric(name, value)
        self._live.make_summary()

    def finish(self, chosen: int, best: Mapping[str, Any]) -> None:
        """Close the curves; the summary tells the epoch whose weights were kept."""
        if self._live is None:
            return
        self._live.summary = {
            "best_epoch": chosen,
            **{name: value for name, value in best.items() if value is not None},
        }
        self._live.end()


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
